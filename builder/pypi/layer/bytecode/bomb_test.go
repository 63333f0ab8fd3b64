package bytecode

import (
	"context"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/builder/memory"
)

// bombs are small sources that take the interpreter gigabytes, each in another way.
func bombs() map[string][]byte {
	var finally strings.Builder // each level is translated twice (3.9 and later)
	for i := range 18 {
		indent := strings.Repeat(" ", i)
		finally.WriteString(indent + "try:a\n" + indent + "finally:\n")
	}
	finally.WriteString(strings.Repeat(" ", 18) + "x\n")
	nested := strings.TrimSuffix(strings.Repeat(finally.String()+"\n", 40), "\n")
	return map[string][]byte{
		"finally.py":  []byte(nested),
		"distinct.py": distinctConstants(),
		"many.py":     []byte(strings.Repeat("a\n", 1<<20)),
	}
}

// distinctConstants folds into strings of 4 KiB that share nothing.
func distinctConstants() []byte {
	var b strings.Builder
	for i := range 12_000 {
		b.WriteString("x='" + string(rune('一'+i)) + "'*4096\n")
	}
	return []byte(b.String())
}

// A source that is made to take the memory of the host gets no bytecode, and the ones
// around it get theirs.
func TestCompilerBoundsMemory(t *testing.T) {
	c := compiler(t, python(t), 2)
	c.allowed.memory = small.memory // a large one has 3 GiB, which the test's host may not
	for name, source := range bombs() {
		var jobs []*Job
		for _, s := range [][]byte{[]byte("x = 1\n"), source, source, []byte("y = 2\n")} {
			j, err := c.Submit(context.Background(), name, s)
			if err != nil {
				t.Fatal(err)
			}
			jobs = append(jobs, j)
		}
		for i, j := range jobs {
			code, err := j.Wait(context.Background())
			if bomb := i == 1 || i == 2; err != nil || (code == nil) != bomb {
				t.Errorf("%s: source %d of %d: %d bytes of code, %v", name, i, len(jobs), len(code), err)
			}
		}
	}
	c.Close()
	// The largest of all interpreters that have ended.
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &u); err != nil {
		t.Fatal(err)
	}
	if used := int64(u.Maxrss) << 10; used > memory.Worker {
		t.Errorf("an interpreter used %d MiB", used>>20)
	}
}

// What decides is the length of the source, and small ones share what is left.
func TestAllowancesFitTheBudget(t *testing.T) {
	if small.memory+30*int64(small.code) > memory.Worker || large.memory+30*int64(large.code) > memory.Source {
		t.Error("an allowance is larger than its part of the budget")
	}
	if memory.Source+memory.MaxWorkers*memory.Worker+memory.Readers > memory.Total {
		t.Error("the parts are more than the whole")
	}
}
