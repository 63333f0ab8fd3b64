package probe

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// openTypes are the SELinux types of files that every container may read and map: those of images'
// layers, and their older name.
var openTypes = []string{"container_ro_file_t", "container_share_t"}

// labels looks at those of the pool, and of where new objects come from, on a host that enforces
// SELinux. A view has the container's label, but mprotect(2) goes by that of the object that
// is mapped: seen on 6.1, mended in 6.12.117.
func (h *host) labels() {
	c := Check{Name: "selinux", OK: true, Detail: "enforcing: views of containers get the container's mount label"}
	for _, dir := range []string{"objects", "staging"} {
		label := make([]byte, 255)
		n, err := unix.Getxattr(filepath.Join(h.on, dir), "security.selinux", label)
		if err == nil && !mayMap(string(label[:n])) {
			c.OK, c.Detail = false, fmt.Sprintf("enforcing, and the store's files are not %s", openTypes[0])
			c.Fix = fmt.Sprintf("semanage fcontext -a -t %s '%s/(objects|staging)(/.*)?' && restorecon -R %s", openTypes[0], h.on, h.on)
		}
	}
	h.add(c)
}

// mayMap says whether a label, as its attribute has it, is of a type that containers may map.
func mayMap(label string) bool {
	parts := strings.Split(strings.TrimRight(label, "\x00"), ":")
	return len(parts) > 2 && slices.Contains(openTypes, parts[2])
}
