package pypi_test

import (
	"strings"
	"testing"

	"larder/snapshot/pypi"
)

// What the code of pip 21.3.1, 23.0.1, 23.2.1, 25.3 and 26.3 answers for links of an index
// (Cache._get_cache_path_parts), and that of 22.3.1, which takes no hash from JSON, without one: the
// first digits.
func TestWheelDir(t *testing.T) {
	const sum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	for _, v := range []struct{ url, python, hashed, plain string }{
		{"https://files.example/a/b/numpy-1.0-py3-none-any.whl", "3.11", "a1/e4/b1/50dcb", "41/30/c2/b03fe"},
		{"https://files.example/a/b/numpy-1.0-py3-none-any.whl", "3.9", "46/d4/f7/d29bd", "0e/11/49/deb40"},
		{"https://files.example/a/b/numpy-1.0-py3-none-any.whl", "3.13", "2d/c3/06/1036c", "58/d1/a5/b9d67"},
		{"https://Files.Example/a/torch-2.0+cpu-cp311-cp311-linux_x86_64.whl", "3.11", "0d/c2/31/65845", "8c/e6/33/8578f"},
		{"https://files.example/a/torch-2.0%2Bcpu.whl", "3.11", "bb/a4/89/9bba6", "97/ff/a1/6cd9d"},
		{"https://files.example/a%2fb@c d.whl#sha256=" + sum, "3.11", "20/88/94/5bc5e", "a4/c8/e9/aad44"},
		{"HTTPS://files.example/x.whl?sig=A%20b&y=1", "3.11", "80/fc/4a/fe9ee", "ec/bd/81/07810"},
		{"https://files.example/x.whl?sig=\"é\\", "3.11", "03/47/68/fb5ca", "7a/50/95/63b42"},
		{"http://127.0.0.1:8080/f/é.whl", "3.11", "4e/5a/02/57ac9", "1b/c2/6a/b3685"},
		{"https://files.example/a/%7Euser/x.whl", "3.11", "8b/58/8b/45623", "69/94/4c/7d891"},
		{"https://files.example/a/x(1)!*'.whl", "3.11", "11/3f/dc/a0a97", "1f/14/2a/668e3"},
		{"https://files.example/x.whl?", "3.11", "cc/d9/a0/a6c2a", "b4/76/c9/ca6dd"},
	} {
		for hash, want := range map[string]string{sum: v.hashed, "": v.plain} {
			got := pypi.WheelDir(v.url, hash, v.python)
			if !strings.HasPrefix(got, "wheels/"+want) || len(got) != len("wheels/")+56+3 {
				t.Errorf("%s, Python %s, hash %q: %s, pip has %s…", v.url, v.python, hash, got, want)
			}
		}
	}
}

// What the code of Poetry 1.8.5 and 2.5.1 answers for links of an index, cleaned as it does
// (ArtifactCache.get_cache_directory_for_link), with the hash and without: the first digits.
func TestArtifactDir(t *testing.T) {
	const sum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	for _, v := range []struct{ url, hashed, plain string }{
		{"https://files.example/a/b/numpy-1.0-py3-none-any.whl", "1e/bc/f4/749409", "c8/86/a6/b39ce1"},
		{"https://Files.Example/a/torch-2.0+cpu-cp311-cp311-linux_x86_64.whl", "73/49/da/cc1c2d", "dc/68/15/e76724"},
		{"https://files.example/a/torch-2.0%2Bcpu.whl", "69/39/72/842c3c", "f9/bd/75/4dccad"},
		{"https://files.example/a%2fb@c d.whl#sha256=" + sum, "b3/88/41/6c962e", "24/fc/bc/bbda18"},
		{"HTTPS://files.example/x.whl?sig=A%20b&y=1", "b2/fc/43/3fb21f", "86/f9/20/4320ea"},
		{"https://files.example/x.whl?sig=\"é\\", "1a/31/fc/32336b", "73/4c/c0/f52d45"},
		{"http://127.0.0.1:8080/f/é.whl", "be/cf/b8/186c58", "86/74/26/b59bf3"},
		{"https://files.example/a/%7Euser/x~1.whl", "7c/6d/46/ebb8e0", "83/14/7e/05993c"},
		{"https://files.example/a/x(1)!*'.whl", "b2/a9/30/d427dd", "40/76/b6/c71bf8"},
		{"https://files.example/x.whl?", "37/c5/ee/194187", "d6/e5/cd/900947"},
		{"https://files.example/€.whl", "ab/7f/f6/f2b7f0", "3c/2f/37/2292b3"},
	} {
		for hash, want := range map[string]string{sum: v.hashed, "": v.plain} {
			got := pypi.ArtifactDir(v.url, hash)
			if !strings.HasPrefix(got, want) || len(got) != 64+3 {
				t.Errorf("%s, hash %q: %s, Poetry has %s…", v.url, hash, got, want)
			}
		}
	}
}
