package lock

import (
	"os"
	"testing"
)

// The attach path reads a lock once: this is part of what `larder run -r` takes.
func BenchmarkRead(b *testing.B) {
	for _, file := range []string{"testdata/uv-web/uv.lock", "testdata/pylock-uv/pylock.toml", "testdata/poetry-2/poetry.lock", "testdata/requirements-uv/requirements.txt"} {
		b.Run(file[9:], func(b *testing.B) {
			info, err := os.Stat(file)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(info.Size())
			env := linux("3.11.7")
			for b.Loop() {
				if _, err := Read(file, env); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
