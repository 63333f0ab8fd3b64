package npmtest

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// Addresses writes into a lock what address says of each package; "" is nothing.
func Addresses(t testing.TB, lock string, address func(name, version string) string) {
	t.Helper()
	var doc map[string]any
	text, err := os.ReadFile(lock)
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	for at, entry := range doc["packages"].(map[string]any) {
		entry, is := entry.(map[string]any)
		if !is || at == "" {
			continue
		}
		name, is := entry["name"].(string)
		if !is {
			name = at[strings.LastIndex(at, "node_modules/")+len("node_modules/"):]
		}
		if a := address(name, entry["version"].(string)); a != "" {
			entry["resolved"] = a
		}
	}
	if text, err = json.MarshalIndent(doc, "", "  "); err == nil {
		err = os.WriteFile(lock, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
