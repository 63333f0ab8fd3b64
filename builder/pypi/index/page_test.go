package index

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"larder/builder/fetch"
)

const (
	sumA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	sumB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// parse reads a page as if it came from https://index.example/simple/demo/.
func parse(t testing.TB, contentType, body string, max int64) (*page, error) {
	t.Helper()
	u, _ := url.Parse("https://index.example/simple/demo/")
	return parsePage(strings.NewReader(body), pageSource{
		Project: "demo", Index: "https://index.example/simple", From: u, Type: contentType, MaxBytes: max, Allowed: allowed,
	})
}

// allowed stands in for the client's rules.
func allowed(from, to *url.URL) error {
	if from.Scheme != to.Scheme || to.Hostname() == "" || to.Hostname() == "localhost" {
		return fmt.Errorf("not to %s://%s", to.Scheme, to.Hostname())
	}
	return nil
}

func jsonPage(files string) string {
	return `{"meta":{"api-version":"1.1"},"name":"Demo","files":[` + files + `]}`
}

func TestJSONPage(t *testing.T) {
	pg, err := parse(t, "application/vnd.pypi.simple.v1+json; charset=utf-8", jsonPage(`
		{"filename":"demo-1.0-py3-none-any.whl","url":"https://files.example/a/demo-1.0-py3-none-any.whl","hashes":{"sha256":"`+strings.ToUpper(sumA)+`","md5":"x"},
		 "requires-python":">=3.8","size":123,"upload-time":"2024-05-06T07:08:09.123456Z","yanked":"broken","core-metadata":{"sha256":"`+sumB+`"},"provenance":null,"gpg-sig":true},
		{"filename":"demo-1.1.tar.gz","url":"../../f/demo-1.1.tar.gz","hashes":{},"yanked":true,"requires-python":null,"upload-time":17,"dist-info-metadata":true},
		{"filename":"demo-1.2-py3-none-any.whl","url":"/f/demo-1.2-py3-none-any.whl?sig=1#x","hashes":{"sha256":"`+sumA+`"},"yanked":false,"core-metadata":false}`), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	root := "https://index.example/simple"
	want := []File{
		{Filename: "demo-1.0-py3-none-any.whl", URL: "https://files.example/a/demo-1.0-py3-none-any.whl", SHA256: sumA, Size: 123, RequiresPython: ">=3.8",
			Yanked: true, YankedReason: "broken", Metadata: true, MetadataSHA256: sumB, Uploaded: 1714979289, Index: root},
		{Filename: "demo-1.1.tar.gz", URL: "https://index.example/f/demo-1.1.tar.gz", Size: -1, Yanked: true, Metadata: true, Index: root},
		{Filename: "demo-1.2-py3-none-any.whl", URL: "https://index.example/f/demo-1.2-py3-none-any.whl?sig=1", SHA256: sumA, Size: -1, Index: root},
	}
	if diff := cmp.Diff(want, pg.Files); diff != "" || len(pg.refused) != 0 {
		t.Fatalf("%s\nrefused %v", diff, pg.refused)
	}
}

func TestHTMLPage(t *testing.T) {
	pg, err := parse(t, "text/html; charset=UTF-8", `<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0">
		<base href="https://files.example/base/"><title>Links for Demo</title></head><body>
		<a href="/">home</a> <a name="top"></a> <a href="mailto:a@b.example">write</a> <a href="http://[bad/x.whl">bad</a>
		<A HREF="x/demo-1.0-py3-none-any.whl#sha256=`+sumA+`" data-requires-python="&gt;=3.8,&lt;4" data-yanked="bad &amp; ugly" data-dist-info-metadata="sha256=`+sumB+`">whatever</A>
		<a href=../y/Demo-1.1-py3-none-any.whl#md5=d41d8cd98f00b204e9800998ecf8427e data-yanked data-core-metadata=true data-upload-time="2010-04-16T14:29:37.458396Z">Demo-1.1</a>
		<a href="//other.example/demo-1.2%2Bcpu-py3-none-any.whl#egg=x&amp;sha256=`+sumA+`">x</a>
		<a href="z/demo-1.3.tar.gz#sha256=`+sumA+`">x<br/></body></html>`, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	root := "https://index.example/simple"
	want := []File{
		{Filename: "demo-1.0-py3-none-any.whl", URL: "https://files.example/base/x/demo-1.0-py3-none-any.whl", SHA256: sumA, Size: -1, RequiresPython: ">=3.8,<4",
			Yanked: true, YankedReason: "bad & ugly", Metadata: true, MetadataSHA256: sumB, Index: root},
		{Filename: "Demo-1.1-py3-none-any.whl", URL: "https://files.example/y/Demo-1.1-py3-none-any.whl", Size: -1, Yanked: true, Metadata: true, Uploaded: 1271428177, Index: root},
		{Filename: "demo-1.2+cpu-py3-none-any.whl", URL: "https://other.example/demo-1.2%2Bcpu-py3-none-any.whl", SHA256: sumA, Size: -1, Index: root},
		{Filename: "demo-1.3.tar.gz", URL: "https://files.example/base/z/demo-1.3.tar.gz", SHA256: sumA, Size: -1, Index: root},
	}
	if diff := cmp.Diff(want, pg.Files); diff != "" || len(pg.refused) != 0 {
		t.Fatalf("%s\nrefused %v", diff, pg.refused)
	}
}

// TestBadPages: the whole page is refused, with a text that says why.
func TestBadPages(t *testing.T) {
	const asJSON, asHTML = typeJSON, typeHTML
	link := `<a href="demo-1.0-py3-none-any.whl#sha256=` + sumA + `">x</a>`
	for name, c := range map[string]struct {
		kind, body, want string
		refused          bool
	}{
		"html for json":      {asJSON, " \n<!DOCTYPE html>", "html where json was promised", false},
		"json for html":      {asHTML, jsonPage(""), "json where html was promised", false},
		"no type":            {"", jsonPage(""), "no content type", false},
		"text":               {"text/plain", jsonPage(""), `content type "text/plain" is not one of an index`, false},
		"plain json":         {"application/json", jsonPage(""), `content type "application/json" is not`, false},
		"empty json":         {asJSON, "", "an empty answer", false},
		"cut json":           {asJSON, jsonPage("")[:30], "the json ends early", false},
		"two values":         {asJSON, jsonPage("") + "{}", "something follows", false},
		"garbage after":      {asJSON, jsonPage("") + "x", "invalid character", false},
		"array":              {asJSON, "[]", "another shape", false},
		"number":             {asJSON, "1e308", "another shape", false},
		"NaN":                {asJSON, `{"name":NaN}`, "invalid character", false},
		"deep":               {asJSON, `{"x":` + strings.Repeat("[", 100_000), "", false},
		"no files":           {asJSON, `{"name":"demo"}`, "without the name or the files", false},
		"no name":            {asJSON, `{"files":[]}`, "without the name or the files", false},
		"files twice":        {asJSON, `{"name":"demo","files":[],"files":[]}`, `"files" twice`, false},
		"files object":       {asJSON, `{"name":"demo","files":{}}`, "files: json of another shape", false},
		"file is a string":   {asJSON, jsonPage(`"demo-1.0.tar.gz"`), "file 1: ", false},
		"size is a string":   {asJSON, jsonPage(`{"filename":"a","url":"a","size":"12"}`), "file 1: ", false},
		"size is too large":  {asJSON, jsonPage(`{"filename":"a","url":"a","size":1e308}`), "file 1: ", false},
		"yanked is a number": {asJSON, jsonPage(`{"filename":"a","url":"a","yanked":1}`), "neither a boolean nor a string", false},
		"metadata is a list": {asJSON, jsonPage(`{"filename":"a","url":"a","core-metadata":[]}`), "neither a boolean nor an object", false},
		"other project":      {asJSON, `{"name":"demo2","files":[]}`, `another project: "demo2"`, true},
		"hostile name":       {asJSON, `{"name":"../../etc\n","files":[]}`, `another project: "../../etc\n"`, true},
		"version 2":          {asJSON, `{"meta":{"api-version":"2.0"},"name":"demo","files":[]}`, `speaks version "2.0"`, false},
		"html version 2":     {asHTML, `<meta name="pypi:repository-version" content="2.0">` + link, `speaks version "2.0"`, false},
		"error page":         {asHTML, `<html><body><h1>502 Bad Gateway</h1><a href="/">home</a></body></html>`, "without a link to any file", false},
		"empty html":         {asHTML, "", "without a link to any file", false},
		"base is file":       {asHTML, `<base href="file:///etc/">` + link, "not to file://", false},
		"base elsewhere":     {asHTML, `<base href="https://localhost/">` + link, "not to https://localhost", false},
		"huge tag":           {asHTML, `<a href="` + strings.Repeat("x", 2<<20) + `">`, "larger than 1 MiB", false},
		"too large":          {asHTML, "<html>" + strings.Repeat(link, 1<<17), fetch.ErrLarge.Error(), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, c.kind, c.body, 8<<20)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if errors.Is(err, errOther) != c.refused {
				t.Fatalf("%v: errOther is %v", err, !c.refused)
			}
			if len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\n\x00") {
				t.Fatalf("not one short line: %q", err)
			}
		})
	}
}

// TestBadLinks: one link is refused, the others stay.
func TestBadLinks(t *testing.T) {
	good := `{"filename":"demo-9-py3-none-any.whl","url":"demo-9-py3-none-any.whl","hashes":{"sha256":"` + sumA + `"}}`
	file := func(filename, url, more string) string {
		a, _ := json.Marshal(filename)
		b, _ := json.Marshal(url)
		return fmt.Sprintf(`{"filename":%s,"url":%s,"hashes":{"sha256":%q}%s}`, a, b, sumA, more)
	}
	const name = "demo-1-py3-none-any.whl"
	for what, c := range map[string]struct{ body, reason string }{
		"slash":           {file("../"+name, "https://h.example/"+name, ""), "file name is not acceptable"},
		"backslash":       {file(`..\\`+name, "https://h.example/"+name, ""), "file name is not acceptable"},
		"control":         {file("demo\u0001.whl", "https://h.example/x", ""), "file name is not acceptable"},
		"option":          {file("--index-url", "https://h.example/--index-url", ""), "file name is not acceptable"},
		"dots":            {file("..", "https://h.example/..", ""), "file name is not acceptable"},
		"long":            {file(strings.Repeat("x", 300), "https://h.example/x", ""), "file name is not acceptable"},
		"hidden slash":    {file(name, "https://h.example/..%2F"+name, ""), "file name is not acceptable"},
		"not utf-8":       {file(name, "https://h.example/%ff"+name, ""), "file name is not acceptable"},
		"bad escape":      {file(name, "https://h.example/%zz/"+name, ""), "URL cannot be read"},
		"other name":      {file(name, "https://h.example/demo-2-py3-none-any.whl", ""), "ends in another file name"},
		"file scheme":     {file(name, "file:///srv/"+name, ""), "not to file://"},
		"ftp scheme":      {file(name, "ftp://h.example/"+name, ""), "not to ftp://"},
		"plain http":      {file(name, "http://h.example/"+name, ""), "not to http://"},
		"elsewhere":       {file(name, "https://localhost/"+name, ""), "not to https://localhost"},
		"not to https://": {file(name, "https:///"+name, ""), "not to https://"},
		"no url":          {file(name, "", ""), "no name or no URL"},
		"no filename":     {file("", "https://h.example/"+name, ""), "no name or no URL"},
		"negative size":   {file(name, "https://h.example/"+name, `,"size":-5`), "size is negative"},
		"minus one":       {file(name, "https://h.example/"+name, `,"size":-1`), "size is negative"},
		"short hash":      {strings.Replace(file(name, "https://h.example/"+name, ""), sumA, sumA[:63], 1), "not 64 hex digits"},
		"no hex":          {strings.Replace(file(name, "https://h.example/"+name, ""), sumA, sumA[:63]+"g", 1), "not 64 hex digits"},
		"other project":   {file("other-1-py3-none-any.whl", "https://h.example/other-1-py3-none-any.whl", ""), "belongs to another project"},
		"no version":      {file("demo.whl", "https://h.example/demo.whl", ""), "belongs to another project"},
	} {
		t.Run(what, func(t *testing.T) {
			pg, err := parse(t, typeJSON, jsonPage(c.body+","+good), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if len(pg.Files) != 1 || len(pg.refused) != 1 || !strings.Contains(pg.refused[0], c.reason) {
				t.Fatalf("files %v, refused %v, want %q", pg.Files, pg.refused, c.reason)
			}
		})
	}
}

// TestPacked: gzip is unpacked within the bound, and so is what never unpacks.
func TestPacked(t *testing.T) {
	pack := func(s string) string {
		var b strings.Builder
		z := gzip.NewWriter(&b)
		io.WriteString(z, s)
		z.Close()
		return b.String()
	}
	read := func(body string) error {
		u, _ := url.Parse("https://index.example/simple/demo/")
		_, err := parsePage(strings.NewReader(body), pageSource{Project: "demo", From: u, Type: typeJSON, Encoding: "gzip", MaxBytes: 1 << 20, Allowed: allowed})
		return err
	}
	if err := read(pack(jsonPage(""))); err != nil {
		t.Error(err)
	}
	if err := read(pack(jsonPage("") + strings.Repeat(" ", 1<<20))); !errors.Is(err, fetch.ErrLarge) {
		t.Errorf("bomb: %v", err)
	}
	if err := read(strings.Repeat(pack(""), 1<<16)); !errors.Is(err, fetch.ErrLarge) {
		t.Errorf("empty for ever: %v", err)
	}
	if err := read(pack(jsonPage(""))[:40]); err == nil || err.Error() != "the json ends early" {
		t.Errorf("cut: %v", err)
	}
}

func TestSameNameTwice(t *testing.T) {
	link := func(name, sum string) string { return `<a href="` + name + `#sha256=` + sum + `">x</a>` }
	pg, err := parse(t, typeHTML, link("demo-1.tar.gz", sumA)+link("demo-2.tar.gz", sumA)+link("demo-1.tar.gz", sumB)+link("demo-2.tar.gz", sumA)+link("demo-1.tar.gz", sumA), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if len(pg.Files) != 1 || pg.Files[0].Filename != "demo-2.tar.gz" || len(pg.refused) != 1 || !strings.Contains(pg.refused[0], "twice with different hashes") {
		t.Fatalf("files %v, refused %v", pg.Files, pg.refused)
	}
}

// TestEmptyProject: a page that says it has no files is a good page.
func TestEmptyProject(t *testing.T) {
	for _, body := range []string{
		"<html><head><title>Links for demo</title></head><body><h1>Links for demo</h1></body></html>",
		`<html><head><meta name="pypi:repository-version" content="1.3"></head><body></body></html>`,
	} {
		if pg, err := parse(t, typeHTML, body, 1<<20); err != nil || len(pg.Files) != 0 {
			t.Errorf("%q: %v %v", body, pg, err)
		}
	}
	if pg, err := parse(t, typeJSON, jsonPage(""), 1<<20); err != nil || len(pg.Files) != 0 {
		t.Errorf("json: %v %v", pg, err)
	}
}

// urlPaths are paths that pip may spell differently than the page does.
var urlPaths = []string{
	"/a/demo-1.0+cpu-py3-none-any.whl", "/a/demo-1.0%2Bcpu-py3-none-any.whl", "/a/demo-1.0%2bcpu-py3-none-any.whl",
	"/a b/x.whl", "/a%20b/x.whl", "/~user/x.whl", "/%7Euser/x.whl", "/@scope/x.whl", "/%40scope/x.whl", "/a%2fb/x.whl", "/é/x.whl", "/%C3%A9/x.whl",
	"/a:b/x,y;z=1/demo!1.0.whl", "/a/demo.whl;params=1", "/a/(x)/'y'/demo.whl", "/packages/6e/49/demo-1.0-py3-none-any.whl", "/a/demo=1&2$.whl",
}

// TestQuotePath asks the pip on PATH for its spelling: cache keys hang on it.
func TestQuotePath(t *testing.T) {
	args := []string{"-c", "import sys\nfrom pip._internal.models.link import _ensure_quoted_url as q\nfor a in sys.argv[1:]: print(q('https://h.example' + a))"}
	cmd := exec.Command("python3", append(args, urlPaths...)...)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ask pip: %v", err)
	}
	for i, want := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		u, err := url.Parse("https://h.example" + urlPaths[i])
		if err != nil {
			t.Fatal(err)
		}
		quotePath(u)
		if u.String() != want {
			t.Errorf("%s: %s, pip has %s", urlPaths[i], u, want)
		}
		if again, err := url.Parse(want); err != nil || again.String() != want {
			t.Errorf("%s does not stay itself: %v %v", want, again, err)
		}
	}
}

func FuzzPage(f *testing.F) {
	f.Add(true, jsonPage(`{"filename":"demo-1.0-py3-none-any.whl","url":"demo-1.0-py3-none-any.whl","hashes":{"sha256":"`+sumA+`"},"size":3}`))
	f.Add(true, jsonPage(`{"filename":"../x","url":"file:///x","core-metadata":{"sha256":"x"}}`))
	f.Add(false, `<base href="//x.example/"><a href="demo-1.0.tar.gz#sha256=`+sumA+`" data-yanked>x</a>`)
	f.Add(false, `<a href="https://user:pw@h.example/%2e%2e/demo-1.0.tar.gz?q#sha256=zz">`)
	f.Fuzz(func(t *testing.T, asJSON bool, body string) {
		kind := typeHTML
		if asJSON {
			kind = typeJSON
		}
		pg, err := parse(t, kind, body, 1<<20)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, file := range pg.Files {
			u, err := url.Parse(file.URL)
			if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Host == "" {
				t.Fatalf("bad URL %q: %v", file.URL, err)
			}
			if badName(file.Filename) || seen[file.Filename] || file.SHA256 != "" && !isSHA256(file.SHA256) || file.Size < -1 {
				t.Fatalf("bad file %+v", file)
			}
			seen[file.Filename] = true
		}
	})
}
