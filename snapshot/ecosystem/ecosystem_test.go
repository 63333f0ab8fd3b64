package ecosystem

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestRegister(t *testing.T) {
	defer func(had []Ecosystem) { registered = had }(registered)
	registered = nil
	first := Ecosystem{Name: "a", Clients: []Client{{Name: "one", Views: []string{"v1", "v0"}}, {Name: "two", Views: []string{"w"}}}, Views: []string{"index"},
		Describe: func(d json.RawMessage) string { return "<" + string(d) + ">" }}
	Register(first)
	Register(Ecosystem{Name: "b", Clients: []Client{{Name: "three", Views: []string{"x"}}}})
	if got, want := Views(), []string{"v1", "v0", "w", "index", "x"}; !slices.Equal(got, want) {
		t.Errorf("views %v, want %v", got, want)
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
