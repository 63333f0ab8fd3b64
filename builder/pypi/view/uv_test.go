package view

import (
	"testing"

	"larder/builder"
	"larder/snapshot"
)

// The key of a wheel for uv's cache changes with all that the cache has of it.
func TestUVKey(t *testing.T) {
	item := func(change func(it *builder.Item)) string {
		it := &builder.Item{Artifact: builder.Artifact{Project: "six", Version: "1.0", Filename: "six-1.0-py3-none-any.whl", Digest: "d", URL: "https://files.example/six.tar.gz?token=1",
			Index: "https://index.example/", Built: &snapshot.ManifestBuilt{Source: snapshot.Sum([]byte("s")), Kind: snapshot.Pure, Size: 203}}, Picks: []*builder.Pick{{Target: "cp311"}}}
		change(it)
		return uvKey(it)
	}
	keys := map[string]string{}
	for name, change := range map[string]func(it *builder.Item){
		"as it is":       func(*builder.Item) {},
		"not built":      func(it *builder.Item) { it.Built = nil },
		"another source": func(it *builder.Item) { it.Built.Source = snapshot.Sum([]byte("t")) },
		"another size":   func(it *builder.Item) { it.Built.Size++ },
		"another kind":   func(it *builder.Item) { it.Built.Kind = snapshot.Native },
		"another wheel":  func(it *builder.Item) { it.Digest = "e" },
		"another target": func(it *builder.Item) { it.Picks[0].Target = "cp312" },
	} {
		key := item(change)
		if other, ok := keys[key]; ok {
			t.Errorf("%s has the key of %s", name, other)
		}
		keys[key] = name
	}
	if item(func(it *builder.Item) { it.URL = "https://files.example/six.tar.gz?token=2" }) != item(func(*builder.Item) {}) {
		t.Error("a query is in the key")
	}
}
