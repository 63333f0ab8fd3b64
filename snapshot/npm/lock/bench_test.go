package lock

import (
	"fmt"
	"strings"
	"testing"

	"larder/snapshot/npm"
)

// BenchmarkRead reads a lock of a thousand packages, which every run and every container that mounts it does.
func BenchmarkRead(b *testing.B) {
	var s strings.Builder
	s.WriteString(`{"name":"x","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{"":{"name":"x","version":"1.0.0","dependencies":{"p0":"1"}}`)
	for i := range 1000 {
		fmt.Fprintf(&s, ",\n"+`"node_modules/p%d":{"version":"1.0.0","resolved":"http://h/p%d/-/p.tgz","integrity":"sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==","dependencies":{"p%d":"1"},"license":"MIT","bin":{"p%d":"cli.js"}}`, i, i, i+1, i)
	}
	s.WriteString("}}")
	tag, err := npm.ParseTag("linux-x64-glibc")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(s.Len()))
	for b.Loop() {
		if _, err := Read("package-lock.json", s.String(), tag); err != nil {
			b.Fatal(err)
		}
	}
}
