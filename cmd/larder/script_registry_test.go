package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"larder/builder/npm/npmtest"
	"larder/snapshot/npm"
)

// cmdRegistry starts a registry of the packages that a file describes, by their places, and writes a
// project of them with its lock into a directory. Whatever npm there is asks it.
func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: registry FILE DIR")
	}
	var places map[string]npmtest.Package
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &places))
	t := worldOf(ts).t
	r := npmtest.NewRegistry(t)
	byVersion := func(a, b npmtest.Package) int { return npm.CompareVersions(a.Version, b.Version) }
	r.Add(slices.SortedStableFunc(maps.Values(places), byVersion)...) // the last one is the latest
	ts.Check(os.MkdirAll(ts.MkAbs(args[1]), 0o755))
	npmtest.Lock(t, ts.MkAbs(args[1]), places)
	registryFor(ts.Setenv, r)
}

// registryFor has npm ask a registry, and nobody else.
func registryFor(setenv func(key, value string), r *npmtest.Registry) {
	for _, v := range []string{"npm_config_registry=" + r.URL(), "npm_config_audit=false", "npm_config_fund=false", "npm_config_update_notifier=false"} {
		key, value, _ := strings.Cut(v, "=")
		setenv(key, value)
	}
}
