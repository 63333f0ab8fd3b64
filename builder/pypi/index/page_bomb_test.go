package index

import (
	"bytes"
	"compress/gzip"
	"net/url"
	"runtime"
	"strings"
	"testing"
)

// packed is a text as a server sends it to whoever takes gzip.
func packed(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	z.Write([]byte(text))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Pages of some KB of gzip, each made to take a reader that is not linear, or keeps
// what it is told, minutes or gigabytes.
func TestBoundsOfPages(t *testing.T) {
	const size = 32 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	html, json := "text/html", "application/vnd.pypi.simple.v1+json"
	long := "/" + strings.Repeat("b", 100_000) + "/"
	for name, bomb := range map[string]struct{ kind, text, refused string }{
		"white space":           {json, `{"name":"demo",` + fill(" ") + `"files":[]}`, "an element is too large"},
		"white space at end":    {json, `{"name":"demo","files":[]}` + fill(" "), "an element is too large"},
		"one string":            {json, `{"name":"demo","files":[{"filename":"` + fill("a") + `"}]}`, "an element is too large"},
		"hashes":                {json, `{"name":"demo","files":[{"hashes":{` + strings.TrimSuffix(fill(`"a":"",`), ",") + `}}]}`, "an element is too large"},
		"keys":                  {json, `{"name":"demo",` + keys(300_000) + `,"files":[]}`, "more than 100 keys"},
		"nesting":               {json, `{"name":"demo","x":` + fill("[") + `}`, "depth"},
		"unknown":               {json, `{"name":"demo","x":[` + strings.TrimSuffix(fill("1,"), ",") + `],"files":[]}`, "an element is too large"},
		"empty files":           {json, `{"name":"demo","files":[` + strings.TrimSuffix(fill("{},"), ",") + `]}`, "its links take more"},
		"many attributes":       {html, `<a ` + attributeNames(100_000) + `>` + fill("<a>"), "more than 100 attributes"},
		"many attributes, text": {html, `<b ` + attributeNames(100_000) + `>` + fill("<b>"), "more than 100 attributes"},
		"long base":             {html, `<base href="` + long + `">` + fill(`<a href=demo.zip>`), "its links take more"},
		"long base, no files":   {html, `<base href="` + long + `">` + fill(`<a href=x>`), "its links take more"},
		"many links":            {html, fill(`<a href=../demo-1.zip>`), "its links take more"},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse("https://index.example/simple/demo/")
			if err != nil {
				t.Fatal(err)
			}
			b := packed(t, bomb.text)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = parsePage(bytes.NewReader(b), pageSource{Project: "demo", Index: "https://index.example/simple", From: u,
				Type: bomb.kind, Encoding: "gzip", MaxBytes: 64 << 20, Allowed: allowed})
			runtime.ReadMemStats(&after)
			// Freed memory counts: what is not linear shows here, or takes hours.
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 700 {
				t.Errorf("%d KB of gzip: %d MiB allocated", len(b)>>10, used)
			}
			if bomb.refused == "" && err != nil || bomb.refused != "" && (err == nil || !strings.Contains(err.Error(), bomb.refused)) {
				t.Errorf("%d KB of gzip: %v", len(b)>>10, err)
			}
		})
	}
}

func keys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`"` + number(i) + `":0,`)
	}
	return strings.TrimSuffix(b.String(), ",")
}

func attributeNames(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(number(i) + " ")
	}
	return b.String()
}

// number spells n with letters.
func number(n int) string {
	s := "k"
	for ; n > 0; n /= 26 {
		s += string(rune('a' + n%26))
	}
	return s
}
