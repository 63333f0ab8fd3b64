package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The picture of the house in doc.go has every room, and no other.
func TestHouse(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, picture, _ := strings.Cut(string(text), "# The house\n")
	picture, _, _ = strings.Cut(picture, "Imports point one way")
	drawn := map[string]bool{}
	top := ""
	for line := range strings.Lines(picture) {
		line, ok := strings.CutPrefix(line, "//\t")
		if !ok || strings.TrimSpace(line) == "" {
			continue
		}
		names, _, _ := strings.Cut(strings.TrimLeft(line, " "), "  ")
		for name := range strings.SplitSeq(names, ",") {
			name = strings.TrimSuffix(strings.TrimSpace(name), "/…")
			if strings.HasPrefix(line, "  ") {
				name = top + "/" + name
			} else {
				top = name
			}
			drawn[name] = true
		}
	}
	found := map[string]bool{}
	for _, pattern := range []string{"popularity", "builder", "snapshot", "overlay", "scripts", "*/*/*.go", "cmd/internal/*/*.go", "cmd/larder/internal/*/*.go"} {
		paths, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, ".go") {
				path = filepath.Dir(path)
			}
			room := strings.TrimPrefix(path, "../../")
			if !strings.HasPrefix(room, "scripts/") {
				found[room] = true
			}
		}
	}
	for room := range found {
		if !drawn[room] {
			t.Errorf("the picture lacks %s", room)
		}
	}
	for room := range drawn {
		if !found[room] {
			t.Errorf("the picture has %s, which is not there", room)
		}
	}
}
