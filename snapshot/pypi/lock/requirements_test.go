package lock

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestRequirements(t *testing.T) {
	for what, c := range map[string]struct {
		content string
		others  map[string]string
		want    string
	}{
		"pins":                  {"Flask==3.0.0\nfoo_Bar===1.0-1\n b == 1.0RC1 \n", nil, "b==1.0rc1 flask==3.0.0 foo-bar==1.0.post1"},
		"comments and blanks":   {"# x\n\n   # y\na==1 # z\nb==1#not a comment? it is part of the version\n", nil, ""},
		"comment in the middle": {"a==1 \\\n# c\nb==2\n", nil, "a==1 b==2"},
		"continued":             {"a==\\\n1\nb\\\n==\\\n2\\\n", nil, "a==1 b==2"},
		"markers":               {"a==1; python_version<'3.11'\na==2; python_version>='3.11'\nb==1 ; sys_platform == 'win32'\nc; os_name == 'nt'\n", nil, "a==2"},
		"extras":                {"a[x,y]==1\na==1.0\n", nil, "a==1"},
		"options":               {"-i https://u:p@index.example/simple\n--extra-index-url=https://index.example\n--only-binary :all:\n--no-binary :none:\n--pre\n--no-index\n-f dir\n--find-links=dir\n--trusted-host index.example\n--prefer-binary\na==1\n", nil, "a==1"},
		"several clauses":       {"a==1.5,>=1,<2,!=1.4\n", nil, "a==1.5"},
		"local":                 {"torch==2.1.0+cu121\n", nil, "torch==2.1.0+cu121"},
		"include":               {"-r b.txt\n--requirement=c.txt\n-r 'd e.txt'\na==1\n", map[string]string{"b.txt": "b==1", "c.txt": "c==1", "d e.txt": "d==1"}, "a==1 b==1 c==1 d==1"},
		"include twice":         {"-r b.txt\n-r b.txt\n", map[string]string{"b.txt": "b==1"}, "b==1"},
		"absolute":              {"-r /x/b.txt\n", map[string]string{"/x/b.txt": "-r c.txt\nb==1", "/x/c.txt": "c==1"}, "b==1 c==1"},
		"above":                 {"-r ../b.txt\n", map[string]string{"../b.txt": "-r s/c.txt", "../s/c.txt": "c==1"}, "c==1"},
		"constraint pins":       {"a\nb>=1\n-c c.txt\n", map[string]string{"c.txt": "A==1.2\nb==3\nunused==9\n"}, "a==1.2 b==3"},
		"constraint limits":     {"a==1.2\n-c c.txt\n", map[string]string{"c.txt": "a>=1,<2\n"}, "a==1.2"},
		"constraint marker":     {"a\n-c c.txt\n", map[string]string{"c.txt": "a==1; python_version<'3'\na==2; python_version>='3'\n"}, "a==2"},
		"constraint ===":        {"a==1.0\n-c c.txt\n", map[string]string{"c.txt": "a===1.0.0\n"}, "a==1.0"},
		"include in constraint": {"a\n-c c.txt\n", map[string]string{"c.txt": "-c d.txt\n-r e.txt\n", "d.txt": "a==4", "e.txt": "e==5"}, "a==4 e==5"},
		"all markers false":     {"a==1; os_name == 'nt'\n", nil, ""},
		"build options":         {"a==1 --config-settings=x=y --global-option=z\n", nil, "a==1"},
	} {
		l, err := parse(t, "r.txt", c.content, c.others)
		if what == "comments and blanks" { // "1#not" is no version
			wantRefusal(t, err, "r.txt:5: ")
			continue
		}
		if err != nil || text(l) != c.want {
			t.Errorf("%s: %v, %v, want %s", what, l, err, c.want)
		}
	}
}

func TestHashes(t *testing.T) {
	h := func(sums ...string) string {
		var b strings.Builder
		for _, s := range sums {
			b.WriteString(" \\\n    --hash=sha256:" + s)
		}
		return b.String()
	}
	for what, c := range map[string]struct {
		content, constraints string
		want                 []string
	}{
		"sorted, once":      {"a==1" + h(sumB, sumA, sumB) + "\n", "", []string{sumA, sumB}},
		"upper case":        {"a==1" + h(strings.ToUpper(sumA)), "", []string{sumA}},
		"separate word":     {"a==1 --hash sha256:" + sumA, "", []string{sumA}},
		"same pin twice":    {"a==1" + h(sumA) + "\na==1.0" + h(sumB), "", []string{sumA, sumB}},
		"other algorithms":  {"a==1 --hash=sha512:00" + h(sumA), "", []string{sumA}},
		"of the constraint": {"a\n", "a==1" + h(sumA), []string{sumA}},
		"in common":         {"a==1" + h(sumA, sumB), "a==1" + h(sumB, sumC), []string{sumB}},
		"after the marker":  {"a==1 ; os_name == 'posix'" + h(sumA), "", []string{sumA}},
	} {
		l, err := parse(t, "r.txt", c.content+"\n-c c.txt\n", map[string]string{"c.txt": c.constraints})
		if err != nil || len(l.Pins) != 1 || !slices.Equal(l.Pins[0].Hashes, c.want) {
			t.Errorf("%s: %+v, %v", what, l, err)
		}
	}
}

func TestRequirementsRefused(t *testing.T) {
	secret := "hunter2"
	for content, want := range map[string]string{
		"flask\n":                    "r.txt:1: flask is not pinned",
		"a==1\n\n# c\nb>=1\n":        "r.txt:4: b is not pinned",
		"a==1.*\n":                   "r.txt:1: a is not pinned",
		"a~=1.0\n":                   "r.txt:1: a is not pinned",
		"a==1\\\n\nb[x]\n":           "r.txt:3: b is not pinned",
		"-e .\n":                     "r.txt:1: an editable",
		"--editable=./x\n":           "r.txt:1: an editable",
		"-e git+https://x@" + secret: "r.txt:1: an editable",
		"./x\n":                      "r.txt:1: a path is no pin",
		"dir/x\n":                    "a path is no pin",
		`C:\x` + "\n":                "a path is no pin",
		"a-1-py3-none-any.whl\n":     "a file is no pin",
		"https://u:" + secret + "@index.example/a-1.whl\n":      "a URL is no pin",
		"git+https://u:" + secret + "@index.example/r.git@v1\n": "a repository is no pin",
		"a @ https://u:" + secret + "@index.example/a-1.whl\n":  "a comes from a URL",
		"a@https://u:" + secret + "@index.example/a-1.whl\n":    "no pin",
		"file:///x/" + secret + "\n":                            "a URL is no pin",
		"a==${VERSION}\n":                                       "environment variable",
		"-r ${DIR}/x.txt\n":                                     "environment variables are not expanded",
		"-r https://u:" + secret + "@index.example/r.txt\n":     "includes requirements from a URL",
		"-c https://u:" + secret + "@index.example/r.txt\n":     "includes constraints from a URL",
		"-r\n":               "includes no file",
		"-r missing.txt\n":   "r.txt:1: the included missing.txt does not exist",
		"a==1\n-r r.txt\n":   "r.txt:2: includes r.txt, which includes this file",
		"-r loop.txt\n":      "loop.txt:1: includes r.txt, which includes this file",
		"a==1\nA==2\n":       "r.txt:2: a 2, but r.txt:1 pins 1",
		"a==1\n-r two.txt\n": "two.txt:1: a 2, but r.txt:1 pins 1",
		"a==1,==2\n":         "does not satisfy r.txt:1",
		"a==1\n-c two.txt\n": "a 1 does not satisfy two.txt:1",
		"a==1 --hash=sha256:" + sumA + "\n-c sums.txt\n":       "no hash in common",
		"a==1 --hash=sha256:" + sumA + "\nb==1\n":              "r.txt:2: b has no hash, but r.txt:1 asks",
		"--require-hashes\na==1\n":                             "r.txt:2: a has no hash, but r.txt:1 asks",
		"a==1 --hash=sha256:abc\n":                             "bad hash",
		"a==1 --hash=sha256:" + strings.Repeat("g", 64) + "\n": "bad hash",
		"a==1 --hash=md5:d41d8cd98f00b204e9800998ecf8427e\n":   "only a md5 hash",
		"a==1 --frob=" + secret + "\n":                         "unknown option --frob",
		"--frobnicate " + secret + "\n":                        "unknown option --frobnicate",
		"--no-binary :all:\n":                                  "asks for a build from source",
		"a==one\n":                                             "r.txt:1: not a version specifier",
		"a===one\n":                                            "is not pinned",
		"a ==1 ; nothing == 'x'\n":                             "not an environment marker",
		"a==1 ; platform_machine ~= 'x'\n":                     "undefined environment marker",
		"a==1 b==2\n":                                          "not a requirement",
		"a, b\n":                                               "not a requirement",
		"==1\n":                                                "not a requirement",
		"a_==1\n":                                              "is no project name",
		"\x1b[31mred==1\n":                                     "not a requirement",
		strings.Repeat("x", 300) + "==1\n":                     "is no project name",
		"":                                                     "holds no requirement",
		"# only\n--pre\n":                                      "holds no requirement",
		"-c two.txt\n":                                         "holds no requirement",
		"a==1 ; python_version >= " + strings.Repeat("(", 500): "not an environment marker",
	} {
		_, err := parse(t, "r.txt", content, map[string]string{"loop.txt": "-r r.txt\n", "two.txt": "a==2\n", "sums.txt": "a==1 --hash=sha256:" + sumB})
		wantRefusal(t, err, want)
		if err != nil && strings.Contains(err.Error()+err.(*Refusal).Hint(), secret) {
			t.Errorf("%.50q: the secret is in %q", content, err)
		}
	}
	_, err := Parse("r.txt", strings.NewReader("-r x.txt\n"), linux("3.11.7"), nil)
	wantRefusal(t, err, "includes x.txt")
}

// Ten lines that ask for much: each file is read once, and each constraint is weighed
// once, however often they are named.
func TestIncludesAreBounded(t *testing.T) {
	line := "a!=2" + strings.Repeat(",!=2", 900)
	for i := range 400 {
		line += " --hash=sha256:" + strings.Repeat("0", 60) + fmt.Sprintf("%04x", i)
	}
	others := map[string]string{
		"c.txt": strings.Repeat(line+"\n", 64),
		"r.txt": strings.Repeat("a==1\n", 50_000),
	}
	opened := map[string]int{}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l, err := Parse("in.txt", strings.NewReader(strings.Repeat("-r r.txt\n-c c.txt\n-r ./r.txt\n", 3)+"-r sub/../r.txt\n"), nil,
		func(name string) (io.ReadCloser, error) {
			opened[name]++
			return io.NopCloser(strings.NewReader(others[name])), nil
		})
	runtime.ReadMemStats(&after)
	if err != nil || len(l.Pins) != 1 || len(l.Pins[0].Hashes) != 400 {
		t.Fatal(l, err)
	}
	if opened["r.txt"] != 1 || opened["c.txt"] != 1 {
		t.Errorf("opened %v", opened)
	}
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 200 {
		t.Errorf("%d MiB allocated", used)
	}
}
