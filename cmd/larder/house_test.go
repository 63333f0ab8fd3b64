package main

import (
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"testing"
)

// HOUSE.md is doc.go for those who read on a web page: LARDER_UPDATE=1 writes it anew.
func TestHousePage(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	doc := new(comment.Parser).Parse(file.Doc.Text())
	printer := comment.Printer{HeadingLevel: 2, HeadingID: func(*comment.Heading) string { return "" }}
	page := append([]byte("# The house\n\n"), printer.Markdown(doc)...)
	if os.Getenv("LARDER_UPDATE") != "" {
		if err := os.WriteFile("HOUSE.md", page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if had, err := os.ReadFile("HOUSE.md"); err != nil || string(had) != string(page) {
		t.Errorf("HOUSE.md is not doc.go (%v): LARDER_UPDATE=1 go test -run TestHousePage ./cmd/larder", err)
	}
}
