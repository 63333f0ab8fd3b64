package main

import (
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"larder/builder/sandbox"
	"larder/snapshot"
)

// sandboxCheck tries a container such as sources are built in, where the configuration asks for them. A
// build that was asked to build sources fails without one.
func sandboxCheck(c *cli.Context, store string) []finding {
	cfg, err := loadConfig(c)
	if err != nil || cfg.Build.Sdists == snapshot.NoBuilt {
		return nil // the configuration is judged elsewhere
	}
	const why = "sdists is set: sources are built in a container without network"
	scratch, err := os.MkdirTemp(filepath.Dir(store), ".larder-doctor-")
	if err == nil {
		defer os.RemoveAll(scratch)
		var r *sandbox.Runner
		if r, err = sandbox.Open(scratch); err == nil {
			defer r.Close()
		}
	}
	fix := `sdists = "no" under [build] builds none`
	if hint := hintOf(err); hint != "" {
		fix = hint
	}
	return []finding{judge("host", "sources", "a container for a build starts and ends", why, err, stateWarn, fix)}
}
