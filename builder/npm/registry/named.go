package registry

import (
	"net/url"
	"path"
	"strings"

	"larder/builder/fetch"
	"larder/snapshot/npm"
)

// Named is a release as a lock has it, where nothing is left to ask for: its address is the one below the
// registry that can be of no other version, and is where registries have it. An address that says less might
// be of anything, under any name; for such a one the registry has to be asked.
func (c *Client) Named(pkg, version, address string, sum npm.Sum) (Release, bool) {
	if npm.CheckName(pkg) != nil || npm.CheckVersion(version) != nil || sum.Algorithm() != "sha512" {
		return Release{}, false // with a weaker sum, the registry may publish a stronger one
	}
	root := c.rootOf(pkg)
	u, err := url.Parse(address)
	if err != nil || address == "" || address != strings.TrimRight(root.String(), "/")+"/"+pkg+"/-/"+path.Base(pkg)+"-"+version+".tgz" {
		return Release{}, false
	}
	return Release{Version: version, Sum: sum, URL: u.String(), Registry: fetch.Clean(root)}, true
}
