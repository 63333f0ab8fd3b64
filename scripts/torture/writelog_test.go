//go:build linux && amd64

package main

import (
	"bytes"
	"encoding/gob"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadLog(t *testing.T) {
	want := []record{{written, 4096, []byte("data")}, {Event: flushed}, {Event: marked}}
	var b bytes.Buffer
	enc := gob.NewEncoder(&b)
	for _, r := range want {
		if err := enc.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	whole := bytes.Clone(b.Bytes())
	got, err := readLog(&b)
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := readLog(bytes.NewReader(whole[:len(whole)-1])); err == nil {
		t.Error("a log cut short is read")
	}
}

// What was flushed is always there; of the rest each mode keeps what its name says.
func TestCrash(t *testing.T) {
	blocks := func(s string) []byte { return bytes.Repeat([]byte(s), block) }
	log := []record{{written, 0, blocks("a")}, {Event: flushed}, {written, block, blocks("b")}, {written, 2 * block, append(blocks("c"), blocks("d")...)}, {written, 0, blocks("e")}}
	seen := map[string]map[string]bool{}
	for _, mode := range lossModes {
		seen[mode] = map[string]bool{}
		for seed := range uint64(200) {
			disk := make(memory, 4*block)
			if err := replay(disk, crash(log, 4, mode, rand.New(rand.NewPCG(seed, 0)))); err != nil {
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
