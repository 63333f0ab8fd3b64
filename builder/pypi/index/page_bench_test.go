package index

import (
	"fmt"
	"strings"
	"testing"
)

// benchPage is a page of n files as indexes really write them.
func benchPage(kind string, n int) string {
	var b strings.Builder
	if kind == typeHTML {
		b.WriteString("<!DOCTYPE html>\n<html>\n<head><title>Links for demo</title></head>\n<body>\n")
	} else {
		b.WriteString(`{"meta":{"api-version":"1.1"},"name":"demo","versions":[],"files":[`)
	}
	for i := range n {
		name := fmt.Sprintf("demo-1.%d.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", i)
		sum := fmt.Sprintf("%064x", i)
		at := fmt.Sprintf("https://files.example/packages/%s/%s/%s/%s", sum[60:62], sum[62:], sum[:60], name)
		if kind == typeHTML {
			fmt.Fprintf(&b, `<a href="%s#sha256=%s" data-requires-python="&gt;=3.9" data-upload-time="2026-02-19T05:00:57.678803Z" data-core-metadata="sha256=%[2]s">%s</a><br/>`+"\n", at, sum, name)
			continue
		}
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"core-metadata":{"sha256":"%s"},"data-dist-info-metadata":{"sha256":"%[1]s"},"filename":"%s","hashes":{"sha256":"%[1]s"},"provenance":null,"requires-python":">=3.9","size":12345678,"upload-time":"2026-02-19T05:00:57.678803Z","url":"%s","yanked":false}`, sum, name, at)
	}
	if kind == typeHTML {
		return b.String() + "</body>\n</html>\n"
	}
	return b.String() + "]}"
}

// BenchmarkPage is the cost of reading one page of 100 files: a plan of 15,000
// projects reads as many pages, and has five seconds.
func BenchmarkPage(b *testing.B) {
	for _, kind := range []string{typeJSON, typeHTML} {
		b.Run(kind, func(b *testing.B) {
			body := benchPage(kind, 100)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				pg, err := parse(b, kind, body, 1<<30)
				if err != nil || len(pg.Files) != 100 {
					b.Fatal(len(pg.Files), err)
				}
			}
		})
	}
}
