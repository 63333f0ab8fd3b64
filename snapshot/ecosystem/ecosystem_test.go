package ecosystem

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/snapshot"
)

func TestRegister(t *testing.T) {
	defer func(had []Ecosystem) { registered = had }(registered)
	registered = nil
	first := Ecosystem{Name: "a", Clients: []Client{{Name: "one", Views: []string{"v1", "v0"}, Built: []string{"v-pure", "v-native"}}, {Name: "two", Views: []string{"w"}}}, Attached: []string{"v1"}, Views: []string{"index"}, Normalize: strings.ToLower,
		Describe: func(d json.RawMessage) string { return "<" + string(d) + ">" }}
	Register(first)
	Register(Ecosystem{Name: "b", Clients: []Client{{Name: "three", Views: []string{"x"}}}})
	if got, want := Views(), []string{"v1", "v0", "v-pure", "v-native", "w", "index", "x"}; !slices.Equal(got, want) {
		t.Errorf("views %v, want %v", got, want)
	}
	if got, want := AttachedViews(), []string{"v1"}; !slices.Equal(got, want) {
		t.Errorf("attached %v, want %v", got, want)
	}
	if got, want := WrittenViews(), []string{"v1", "index"}; !slices.Equal(got, want) {
		t.Errorf("built %v, want %v", got, want)
	}
	if Normalize("a", "Name") != "name" || Normalize("b", "Name") != "Name" || Normalize("c", "Name") != "Name" {
		t.Error("spellings")
	}
	for view, want := range map[string]snapshot.Built{"v1": snapshot.NoBuilt, "v-pure": snapshot.PureBuilt, "v-native": snapshot.AllBuilt, "index": snapshot.NoBuilt, "none": snapshot.NoBuilt} {
		if got := Needs(view); got != want {
			t.Errorf("view %s needs %v, want %v", view, got, want)
		}
	}
	if c := Clients(); len(c) != 3 || c[0].Name != "one" || c[2].Name != "three" {
		t.Errorf("clients %+v", c)
	}
	if _, ok := Find("c"); ok || len(All()) != 2 {
		t.Error("an ecosystem that nobody registered")
	}
	if Describe("a", json.RawMessage("1")) != "<1>" || Describe("b", nil) != "" || Describe("c", nil) != "" {
		t.Error("descriptions")
	}
	for what, e := range map[string]Ecosystem{
		"name": {Name: "a"}, "client": {Name: "c", Clients: []Client{{Name: "two"}}},
		"view of a client": {Name: "c", Views: []string{"w"}}, "view": {Name: "c", Clients: []Client{{Name: "n", Views: []string{"index"}}}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("the same %s was taken twice", what)
				}
			}()
			Register(e)
		}()
	}
}

// What was built from sources goes with a client's other views, as far as it counts, and never by itself
// unless it is named.
func TestMounted(t *testing.T) {
	c := Client{Name: "c", Views: []string{"a", "b"}, Built: []string{"pure", "native"}}
	for _, tc := range []struct {
		wanted string
		built  snapshot.Built
		want   string
	}{
		{"b a", snapshot.NoBuilt, "a b"}, {"b", snapshot.PureBuilt, "pure b"}, {"x b", snapshot.AllBuilt, "native pure b"},
		{"", snapshot.AllBuilt, ""}, {"x", snapshot.AllBuilt, ""},
		{"pure", snapshot.AllBuilt, "pure"}, {"native", snapshot.AllBuilt, "native"}, {"pure native", snapshot.PureBuilt, "pure"}, {"pure", snapshot.NoBuilt, ""}, {"a pure", snapshot.PureBuilt, "pure a"},
	} {
		if got := strings.Join(c.Mounted(strings.Fields(tc.wanted), tc.built), " "); got != tc.want {
			t.Errorf("%q, %v: %q, want %q", tc.wanted, tc.built, got, tc.want)
		}
	}
	if got := (Client{Views: []string{"a"}}).Mounted([]string{"a"}, snapshot.AllBuilt); !slices.Equal(got, []string{"a"}) {
		t.Errorf("a client without such views: %q", got)
	}
}

// named reads locks whose names end so.
type named struct {
	Locks
	Environments
	suffix string
}

func (n named) IsLock(path string) bool { return strings.HasSuffix(path, n.suffix) }

func TestForLocks(t *testing.T) {
	defer func(had []Ecosystem) { registered = had }(registered)
	registered = []Ecosystem{{Name: "none"}}
	if _, err := ForLocks([]string{"x.a"}); err == nil {
		t.Error("nobody reads locks")
	}
	registered = append(registered, Ecosystem{Name: "a", Locks: named{suffix: ".a"}, Environments: named{}}, Ecosystem{Name: "b", Locks: named{suffix: ".b"}, Environments: named{}})
	for paths, want := range map[string]string{"x.a": ".a", "x.b": ".b", "x.c": ".a", "x.c y.b": ".b", "x.b y.b": ".b", "x.a y.b": ""} {
		e, err := ForLocks(strings.Fields(paths))
		if (err == nil) != (want != "") || err == nil && e.Locks.(named).suffix != want {
			t.Errorf("%s: %v, %v", paths, e, err)
		}
	}
}

// A lock of an ecosystem without environments is nobody else's.
func TestForLocksOfViews(t *testing.T) {
	defer func(had []Ecosystem) { registered = had }(registered)
	registered = []Ecosystem{{Name: "a", Locks: named{suffix: ".a"}, Environments: named{}}, {Name: "b", Locks: named{suffix: ".b"}, Views: []string{"bees"}}}
	for _, paths := range []string{"x.b", "x.a y.b"} {
		if e, err := ForLocks(strings.Fields(paths)); err == nil || !strings.Contains(err.Error(), "of ecosystem b, which has no environments: what larder build --lock stocks of it is in view bees") {
			t.Errorf("%s: %v, %v", paths, e, err)
		}
	}
}

func TestHost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := (Host{}).ReadFile(file, 4); err != nil || string(b) != "text" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := (Host{}).ReadFile(file, 3); err == nil {
		t.Error("a file that is too large was read")
	}
	if _, err := (Host{}).ReadFile(file+"/x", 3); err == nil || (Host{}).IsDir(file) || !(Host{}).IsDir(filepath.Dir(file)) {
		t.Error("what is a directory")
	}
}
