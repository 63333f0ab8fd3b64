package pypitest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BuildRoot is a root file system of the host's own release with a C compiler, made with debootstrap once
// and kept in the user's cache. It needs the release's mirror.
func BuildRoot(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(cache, "larder-test", "build-root")
	// The suite and mirror that this host installs from, as scripts/demo.sh does. Tests of several packages
	// may want it at once.
	out, err := exec.Command("sh", "-euc", `mkdir -p "${0%/*}"; exec 9>"$0.lock"; flock 9
		[ ! -e "$0/.complete" ] || exit 0
		rm -rf "$0"; mkdir "$0"
		mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | head -n 1)
		debootstrap --variant=minbase --include=gcc,libc6-dev "$(. /etc/os-release; echo "${VERSION_CODENAME:-stable}")" "$0" ${mirror:+"$mirror"} 9>&-
		touch "$0/.complete"`, root).CombinedOutput()
	if err != nil {
		t.Fatalf("make a root file system: %v\n%s", err, out)
	}
	return root
}
