//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// The two largest programs of the index, as they are: with all of CUDA, 3.6 GB
// of wheels and 11 GB of files. The store stays in the user's cache, so that
// only the first run fetches; its lock stays too, so that no release of theirs
// fetches again. To start afresh, remove the directory.
func TestE2ELarge(t *testing.T) {
	needE2E(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "larder-test", "large")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := newProgram(t).with("LARDER_STORE=" + filepath.Join(dir, "store"))
	m := locked{p, p.python(), filepath.Join(dir, "requirements.txt")}
	if _, err := os.Stat(m.lock); errors.Is(err, fs.ErrNotExist) {
		text, _ := p.resolved(m.python, "torch", "tensorflow")
		if err := os.WriteFile(m.lock, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := func() (report struct {
		Snapshot     string
		Layers       int
		Bytes        int64
		FetchedBytes int64 `json:"fetched_bytes"`
	}) {
		start := time.Now()
		if err := json.Unmarshal([]byte(p.must("larder", "build", "--json", "--view", "pip", "--lock", m.lock)), &report); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d layers, %d MB, %d MB fetched, in %.1f s", report.Layers, report.Bytes>>20, report.FetchedBytes>>20, time.Since(start).Seconds())
		return report
	}
	first := build()
	if again := build(); again.FetchedBytes != 0 || again.Snapshot != first.Snapshot {
		t.Errorf("the second build fetched %d bytes and made %s of %s", again.FetchedBytes, again.Snapshot, first.Snapshot)
	}
	p.must("larder", "gc", "--keep", "1")

	for _, c := range []struct{ name, script, want string }{
		{"torch", `import torch
a = torch.randn(300, 300)
print("matmul", torch.allclose(a @ torch.eye(300), a))
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
net(torch.ones(2, 4)).sum().backward()
print("gradient", tuple(net[0].weight.grad.shape))`, `^matmul True\ngradient \(8, 4\)\n$`},
		{"tensorflow", `import tensorflow as tf
print("matmul", tf.reduce_sum(tf.matmul(tf.ones((3, 3)), tf.ones((3, 3)))).numpy())`, `^matmul 27\.0\n$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			out := locked{m.with("SCRIPT=" + c.script), m.python, m.lock}.run(t, `python -c "$SCRIPT"`)
			t.Logf("%.1f s", time.Since(start).Seconds())
			if !regexp.MustCompile(c.want).MatchString(out) {
				t.Errorf("no %s in:\n%s", c.want, out)
			}
		})
	}
}
