package overlay

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// labelled is the option that gives all files of a file system one SELinux label.
func labelled(label string) [][2]string {
	if label == "" {
		return nil
	}
	return [][2]string{{"context", label}}
}

// checkContext is where SELinux says whether its policy has what is written.
const checkContext = "/sys/fs/selinux/context"

// labelError finds out whether the label is why the kernel took no overlay: mount(2) has one word
// for that and for a stack that is too deep, for which a caller would try again with less.
func labelError(label string, err error) error {
	if label == "" || !errors.Is(err, ErrDepth) {
		return err
	}
	f, refused := os.OpenFile(checkContext, os.O_WRONLY, 0)
	if refused == nil {
		_, refused = f.WriteString(label)
		f.Close()
	}
	if errors.Is(refused, unix.EINVAL) || errors.Is(refused, unix.ENOENT) {
		return newError("mount overlay: set context", label, "", "SELinux has no such label here", unix.EINVAL)
	}
	return err
}
