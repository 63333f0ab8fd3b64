package writelog

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoundTrip(t *testing.T) {
	want := []Record{{Write, 4096, []byte("data")}, {Flush, 0, []byte{}}, {Mark, 0, []byte("done")}}
	var b bytes.Buffer
	for _, r := range want {
		if err := Append(&b, r); err != nil {
			t.Fatal(err)
		}
	}
	whole := bytes.Clone(b.Bytes())
	got, err := Read(&b)
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Read(bytes.NewReader(whole[:len(whole)-1])); err == nil {
		t.Error("a log cut short is read")
	}
}

// What was flushed is always there; of the rest each mode keeps what its name says.
func TestCrash(t *testing.T) {
	blocks := func(s string) []byte { return bytes.Repeat([]byte(s), block) }
	log := []Record{{Write, 0, blocks("a")}, {Kind: Flush}, {Write, block, blocks("b")}, {Write, 2 * block, append(blocks("c"), blocks("d")...)}, {Write, 0, blocks("e")}}
	seen := map[string]map[string]bool{}
	for _, mode := range Modes {
		seen[mode] = map[string]bool{}
		for seed := range uint64(200) {
			disk := make(memory, 4*block)
			if err := Replay(disk, Crash(log, 4, mode, rand.New(rand.NewPCG(seed, 0)))); err != nil {
				t.Fatal(err)
			}
			state := ""
			for i := 0; i < len(disk); i += block {
				state += string(disk[i])
			}
			seen[mode][state] = true
		}
	}
	set := func(states ...string) map[string]bool {
		m := map[string]bool{}
		for _, s := range states {
			m[s] = true
		}
		return m
	}
	some := set("a\x00\x00\x00", "ab\x00\x00", "a\x00cd", "abcd")
	torn := set("a\x00\x00\x00", "ab\x00\x00", "a\x00cd", "abcd", "abc\x00", "ab\x00d", "a\x00c\x00", "a\x00\x00d")
	want := map[string]map[string]bool{"all-lost": set("a\x00\x00\x00"), "none-lost": set("abcd"), "some-lost": some, "torn": torn}
	if d := cmp.Diff(want, seen); d != "" {
		t.Error(d)
	}
}

type memory []byte

func (m memory) WriteAt(b []byte, at int64) (int, error) { return copy(m[at:], b), nil }
