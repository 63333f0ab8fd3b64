package snapshot

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A published.json that cannot be read says nothing about order: its snapshot is not the oldest,
// and the next number is beyond the one that it had. What was current before is known all the same.
func TestUnreadablePublished(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"bad":     func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte(`{"sequence":`), 0o600)) },
		"empty":   func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
		"missing": func(t *testing.T, path string) { must(t, os.Remove(path)) },
		"refused": func(t *testing.T, path string) { t.Cleanup(refuseOpen(t, path)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			one, two, three := publish(t, s, "one"), publish(t, s, "two"), publish(t, s, "three")
			file := func(id ID) string { return filepath.Join(s.SnapshotDir(id), publishedName) }
			must(t, os.Chmod(file(three), 0o600))
			whole, err := os.ReadFile(file(three))
			must(t, err)
			damage(t, file(three))
			all, err := s.List()
			must(t, err)
			if len(all) != 3 || all[0].ID != two || all[1].ID != one || all[2].ID != three || all[2].Unreadable == nil || all[0].Unreadable != nil {
				t.Errorf("list: %+v", all)
			}
			if id, err := s.Resolve("previous"); err != nil || id != two {
				t.Error("previous:", id, err)
			}
			four := publish(t, s, "four")
			if id, err := s.Resolve("previous"); err != nil || id != three {
				t.Error("previous, which was three:", id, err)
			}
			if name == "refused" {
				return // it is readable at the end
			}
			must(t, os.RemoveAll(file(three)))
			must(t, os.WriteFile(file(three), whole, 0o444))
			publish(t, s, "five")
			if all, err = s.List(); err != nil || len(all) != 5 || all[1].ID != four || all[2].ID != three {
				t.Errorf("mended: %+v, %v", all, err)
			}
			if !slices.IsSortedFunc(all, func(a, b Published) int { return int(b.Sequence - a.Sequence) }) {
				t.Errorf("order: %+v", all)
			}
		})
	}
}
