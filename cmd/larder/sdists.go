package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"larder/cmd/internal/config"
	"larder/snapshot"
	"larder/snapshot/pypi/pep508"
)

// sourcesOf says what a build may build from the sources of a project; nil: nothing of any. With pure
// the projects that sdists_allow names are the only ones, with all they are those that may have
// machine code.
func sourcesOf(b config.Build) func(project string) snapshot.Built {
	most := b.Sdists
	if most == snapshot.NoBuilt {
		return nil
	}
	return func(project string) snapshot.Built {
		switch {
		case namesProject(b.SdistsDeny, project):
			return snapshot.NoBuilt
		case namesProject(b.SdistsAllow, project):
			return most
		case most == snapshot.AllBuilt || len(b.SdistsAllow) == 0:
			return snapshot.PureBuilt
		}
		return snapshot.NoBuilt
	}
}

// namesProject says whether a list of names and globs has a project.
func namesProject(list []string, project string) bool {
	return slices.ContainsFunc(list, func(text string) bool {
		glob, ok := pep508.NormalizeGlob(text)
		return ok && pep508.MatchGlob(glob, project)
	})
}

// checkBuildRoot refuses a root for building machine code that is none.
func checkBuildRoot(b config.Build) error {
	if b.Sdists != snapshot.AllBuilt || b.SdistsRoot == "" {
		return nil
	}
	info, err := os.Stat(filepath.Join(b.SdistsRoot, "usr"))
	if err == nil && info.IsDir() {
		return nil
	}
	return usagef("sdists_root %q is no root file system: it has no directory usr", b.SdistsRoot).
		hint("make one with a compiler, such as by debootstrap --variant=minbase --include=gcc,libc6-dev; --sdists pure needs none")
}

// checkSdists refuses what is no name in the lists of sources.
func (e effective) checkSdists() error {
	for _, list := range []struct {
		key   string
		names []string
	}{{"sdists_allow", e.Build.SdistsAllow}, {"sdists_deny", e.Build.SdistsDeny}} {
		for i, text := range list.names {
			if _, ok := pep508.NormalizeGlob(text); !ok {
				return usagef("%s: %s: %q is not a project name, nor a glob of names such as acme-*", e.file.Where(fmt.Sprintf("build.%s.%d", list.key, i)), list.key, text).
					hint("larder config prints what the lists mean")
			}
		}
	}
	return nil
}
