package failpoint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A program as the Makefile builds it has nothing of the failpoints: not their variable, not one
// of their names. With the tag it has all that its packages name.
func TestAbsentFromReleases(t *testing.T) {
	names := pointNames(t, filepath.Join("..", ".."))
	if len(names) < 40 {
		t.Fatalf("only %d names of failpoints were found in the source: %q", len(names), names)
	}
	for _, program := range []string{"larder", "larder-hook"} {
		release := built(t, program, "urfave_cli_no_docs")
		for _, text := range append(names, "LARDER_FAILPOINT") {
			if strings.Contains(release, text) {
				t.Errorf("the released %s has %q", program, text)
			}
		}
		tagged := built(t, program, "urfave_cli_no_docs,failpoint")
		for _, text := range []string{"LARDER_FAILPOINT", "attach: lease taken"} {
			if !strings.Contains(tagged, text) {
				t.Errorf("%s built with the tag has no %q: that the other has none proves nothing", program, text)
			}
		}
	}
}

// pointNames are the literal names in calls of failpoint.Here below root.
func pointNames(t *testing.T, root string) (names []string) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if name, ok := pointName(n); ok {
				names = append(names, name)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// pointName is the literal in a call of failpoint.Here.
func pointName(n ast.Node) (name string, ok bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return "", false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || f.Sel.Name != "Here" {
		return "", false
	}
	text, ok := call.Args[0].(*ast.BasicLit)
	if x, isIdent := f.X.(*ast.Ident); !ok || !isIdent || x.Name != "failpoint" {
		return "", false
	}
	name, err := strconv.Unquote(text.Value)
	return name, err == nil
}

// built is the bytes of a program.
func built(t *testing.T, program, tags string) string {
	path := filepath.Join(t.TempDir(), program)
	build := exec.Command("go", "build", "-tags", tags, "-trimpath", "-ldflags", "-s -w", "-o", path, "larder/cmd/"+program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
