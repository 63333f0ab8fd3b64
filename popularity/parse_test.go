package popularity

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/snapshot/pypi"
)

// The forms below are the published ones, cut to a few rows; the numbers are ours.
const (
	newForm = `{"last_update":"2026-04-01 06:34:06","source":"ClickHouse",
 "meta":[{"name":"download_count","type":"Int64"},{"name":"project","type":"String"}],
 "rows":[{"download_count":300,"project":"boto3"},{"download_count":200,"project":"Ruamel.YAML"},{"download_count":100,"project":"six"}],
 "total_rows":3,"rows_before_limit_at_least":788142,"statistics":{"elapsed":0.39,"rows_read":3042730,"bytes_read":80277968}}`
	oldForm = `{"last_update":"2025-05-01 00:12:01","query":{"bytes_billed":1,"bytes_processed":2,"cached":false,"estimated_cost":"4.97"},
 "rows":[{"download_count":300,"project":"boto3"},{"download_count":200,"project":"ruamel-yaml"},{"download_count":100,"project":"six"}]}`
)

func names(r Ranking) []string {
	var out []string
	for _, e := range r.Entries {
		out = append(out, e.Project)
	}
	return out
}

func TestParseForms(t *testing.T) {
	want := []string{"boto3", "ruamel-yaml", "six"}
	for _, tc := range []struct {
		name, in string
		counts   bool
	}{
		{"json since 2025-07", newForm, true},
		{"json before 2025-07", oldForm, true},
		{"byte order mark", "\xef\xbb\xbf" + newForm, true},
		{"date after the rows", `{"rows":[{"download_count":300,"project":"boto3"},{"download_count":200,"project":"ruamel.yaml"},{"download_count":100,"project":"six"}],"last_update":"2026-04-01 06:34:06"}`, true},
		{"rows out of order", `{"rows":[{"download_count":100,"project":"six"},{"download_count":300,"project":"boto3"},{"download_count":200,"project":"ruamel.yaml"}]}`, true},
		{"counts as strings", `{"rows":[{"download_count":"300","project":"boto3"},{"download_count":"200","project":"ruamel_yaml"},{"download_count":"100","project":"six"}]}`, true},
		{"csv quoted", "\"download_count\",\"project\"\n300,\"boto3\"\n200,\"ruamel.yaml\"\n100,\"six\"\n", true},
		{"csv crlf, other order", "project,download_count\r\nboto3,300\r\nruamel.yaml,200\r\nsix,100\r\n", true},
		{"csv without header", "boto3,300\nruamel-yaml,200\nsix,100", true},
		{"csv header behind a comment", "# ours\nname,count\nboto3,300\nruamel-yaml,200\nsix,100", true},
		{"json lines", "{\"project\":\"boto3\",\"count\":300}\n{\"project\":\"ruamel-yaml\",\"count\":\"200\"}\n\n{\"project\":\"six\",\"count\":100}\n", true},
		{"list", "# mine\nboto3\n\nRuamel__YAML  # the one\nsix", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, warnings, err := Parse(pypi.Ecosystem, "x", strings.NewReader(tc.in))
			if err != nil || len(warnings) > 0 {
				t.Fatalf("Parse: %v, warnings %v", err, warnings)
			}
			if got := names(r); !slices.Equal(got, want) {
				t.Errorf("projects %q, want %q", got, want)
			}
			for i, e := range r.Entries {
				if e.Rank != i+1 || tc.counts && e.Count != int64(300-100*i) || !tc.counts && e.Count != 0 {
					t.Errorf("entry %d: %+v", i, e)
				}
			}
		})
	}
	r, _, _ := Parse(pypi.Ecosystem, "x", strings.NewReader(newForm))
	if want := time.Date(2026, 4, 1, 6, 34, 6, 0, time.UTC); !r.Origins[0].Updated.Equal(want) {
		t.Errorf("updated %v, want %v", r.Origins[0].Updated, want)
	}
}

func TestParseVersions(t *testing.T) {
	for name, in := range map[string]string{
		"csv":        "project,version,python,count\nflask,3.0.0,3.11,5\nflask,2.3.3,3.9,9\nflask,3.0.0,3.11.4,2\nflask,3.0.0,\\N,1\nsix,1.17.0,3.11,4\n",
		"json lines": `{"project":"flask","version":"3.0.0","python":"3.11","count":"7"}` + "\n" + `{"project":"Flask","version":"2.3.3","python":"3.9","count":9}` + "\n" + `{"project":"flask","version":"3.0.0","count":1}` + "\n" + `{"project":"six","version":"1.17.0","python":"3.11","count":4}`,
	} {
		r, warnings, err := Parse(pypi.Ecosystem, name, strings.NewReader(in))
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%s: %v %v", name, err, warnings)
		}
		want := []Version{{"2.3.3", "3.9", 9, ""}, {"3.0.0", "3.11", 7, ""}, {"3.0.0", "", 1, ""}}
		if e := r.Entries[0]; e.Project != "flask" || e.Count != 17 || !slices.Equal(e.Versions, want) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", "empty"},
		{"blank", " \n\n", "no projects in it"},
		{"comments only", "# nothing\n", "no projects in it"},
		{"html", "<!DOCTYPE html><html><body>502 Bad Gateway", "HTML"},
		{"html behind blanks", "\n\n  <html>", "HTML"},
		{"prose", "404: Not Found\n", "1 of 1 rows are not a project"},
		{"gzip", "\x1f\x8b\x08\x00aaaa", "unpack"},
		{"binary", "flask\x00numpy", "not text"},
		{"array of arrays", `[["flask",5]]`, "1 of 1 rows are not a project with a count"},
		{"array cut short", `["flask"`, "cut short after"},
		{"something behind an array", `["flask"] x`, "something follows the JSON"},
		{"object of words", `{"flask":"much","numpy":[1]}`, "without names and counts"},
		{"no rows", `{"last_update":"2026-04-01 00:00:00"}`, `without "rows"`},
		{"empty object", `{}`, `without "rows"`},
		{"no rows in rows", `{"rows":[]}`, "no projects in it"},
		{"rows is an object", `{"rows":{"project":"flask"}}`, `"rows" is not an array`},
		{"rows is null", `{"rows":null}`, `"rows" is not an array`},
		{"rows twice", `{"rows":[],"rows":[]}`, `two "rows"`},
		{"cut short", newForm[:len(newForm)/2], "cut short after"},
		{"cut at a row", `{"rows":[{"download_count":1,"project":"six"},`, "cut short after"},
		{"not json", `{"rows":[{"download_count":1,"project":"six"},}`, "not JSON near byte"},
		{"two objects", newForm + newForm, "something follows"},
		{"rows of numbers", `{"rows":[1,2,3]}`, "3 of 3 rows"},
		{"no counts", `{"rows":[{"project":"six"}]}`, "1 of 1 rows"},
		{"counts of another type", `{"rows":[{"download_count":[1],"project":"six"},{"download_count":true,"project":"flask"}]}`, "2 of 2 rows"},
		{"names of another type", `{"rows":[{"download_count":1,"project":7}]}`, "1 of 1 rows"},
		{"negative counts", `{"rows":[{"download_count":-1,"project":"six"}]}`, "1 of 1 rows"},
		{"huge counts", `{"rows":[{"download_count":99999999999999999999,"project":"six"},{"download_count":1000000000001,"project":"flask"}]}`, "2 of 2 rows"},
		{"counts not whole", `{"rows":[{"download_count":1.5,"project":"six"},{"download_count":1e3,"project":"flask"}]}`, "2 of 2 rows"},
		{"csv of other columns", "country,installer,n\nDE,pip,x\n", "rows are not a project"},
		{"csv one column", "\"flask\"\n", "CSV without a project"},
		{"mostly junk list", "flask\n--index-url\n../../etc\n", "2 of 3 rows"},
		{"json lines cut short", "{\"project\":\"six\",\"count\":1}\n{\"project\":\"fla", "last line is not JSON"},
		{"json lines and an error", "{\"project\":\"six\",\"count\":1}\n{\"project\":\"flask\",\"count\":1}\nCode: 159. DB::Exception: Timeout exceeded", "last line is not JSON"},
		{"deep", `{"x":` + strings.Repeat("[", 20000), "not JSON near byte"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, _, err := Parse(pypi.Ecosystem, "x.json", strings.NewReader(tc.in))
			if !errors.Is(err, ErrRefused) {
				t.Fatalf("got %v (%d entries), want ErrRefused", err, len(r.Entries))
			}
			if !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "read ranking x.json: ") || strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("error %q, want %q in it", err, tc.want)
			}
		})
	}
}

// Hostile rows are left out, counted and named; the others stay.
func TestParseHostileRows(t *testing.T) {
	hostile := []string{"../../etc", "--index-url=http://index.example", "-e", "a\nb", "a\u0000b", "\u001b[31mred", "ünïcode", "",
		".", "flask ", "a/b", `a\\b`, "$(id)", "flask==1.0", "flask[async]", "\u202eksalf", strings.Repeat("a", 10<<10)}
	var rows []string
	for i := range 20 {
		rows = append(rows, fmt.Sprintf(`{"download_count":%d,"project":"good-%d"}`, 100-i, i))
	}
	for _, h := range hostile {
		rows = append(rows, `{"download_count":999,"project":"`+strings.NewReplacer("\n", `\n`, "\x00", `\u0000`, "\x1b", `\u001b`).Replace(h)+`"}`)
	}
	rows = append(rows, `{"download_count":5,"project":"Good.19"}`, `{"download_count":700,"project":"good_5"}`)
	r, warnings, err := Parse(pypi.Ecosystem, "x", strings.NewReader(`{"rows":[`+strings.Join(rows, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Entries) != 20 || r.Entries[0].Project != "good-5" || r.Entries[0].Count != 700 {
		t.Errorf("%d entries, first %+v", len(r.Entries), r.Entries[0])
	}
	if len(warnings) != 2 || !strings.Contains(warnings[0].Text, fmt.Sprintf("left out %d of %d rows", len(hostile), len(rows))) ||
		!strings.Contains(warnings[0].Text, `"../../etc"`) || !strings.Contains(warnings[1].Text, "2 rows name a project") {
		t.Errorf("warnings %q", warnings)
	}
}

// endless gives the same line for ever.
type endless struct {
	line string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	for n := 0; n < len(p); {
		k := copy(p[n:], e.line[e.read%len(e.line):])
		n += k
		e.read += k
	}
	return len(p), nil
}

// A gigabyte and more costs the cap, not the gigabyte.
func TestParseEndless(t *testing.T) {
	for _, tc := range []struct{ name, begin, line, want string }{
		{"one line", "", "aaaaaaaaaaaaaaaa", "larger than 64 MiB"},
		{"list", "", "some-project-name\n", "larger than 64 MiB"},
		{"long lines", "", strings.Repeat("a", 200<<10) + "\n", "larger than 64 MiB"},
		{"csv", "", "flask,5\n", "larger than 64 MiB"},
		{"csv, one quote", "flask,5\n\"", "aaaaaaaa\n", "larger than 64 MiB"},
		{"json rows", `{"rows":[`, `{"download_count":1,"project":"flask"},`, "larger than 64 MiB"},
		{"json lines", "", `{"count":1,"project":"flask"}` + "\n", "larger than 64 MiB"},
		{"json string", `{"last_update":"`, "aaaaaaaa", "larger than 64 MiB"},
		{"json blanks", `{"rows":[`, "        ", "larger than 64 MiB"},
		{"json deep", "", `{"rows":`, `"rows" is not an array`},
		{"blanks", "", "\n\n\n\n", "larger than 64 MiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := &endless{line: tc.line}
			const most = 4 << 20
			_, _, err := parseUpTo(most, pypi.Ecosystem, "x", io.MultiReader(strings.NewReader(tc.begin), e))
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if e.read > most+1<<20 {
				t.Errorf("read %d bytes", e.read)
			}
		})
	}
}

// The real bounds, on rows and on memory: a million rows are not yet 64 MiB.
func TestParseBounds(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, _, err := Parse(pypi.Ecosystem, "x", &endless{line: "some-project-name\n"})
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "more than 1000000 rows") {
		t.Errorf("got %v", err)
	}
	if after.HeapSys > before.HeapSys+200<<20 {
		t.Errorf("the heap grew by %d MiB", (after.HeapSys-before.HeapSys)>>20)
	}
	if _, _, err := Parse(pypi.Ecosystem, "x", &endless{line: strings.Repeat("a", 99) + "\n"}); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestParseReadError(t *testing.T) {
	_, _, err := Parse(pypi.Ecosystem, "x", io.MultiReader(strings.NewReader("flask\nnumpy\n"), iotestErr{}))
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("got %v", err)
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

func FuzzParse(f *testing.F) {
	for _, s := range []string{newForm, oldForm, "a,b,c\n1,2,3\n", "project,count\nflask,1\n", "flask\nnumpy\n", `{"project":"a","count":1}`, "<html>", "\"a,\"b\n", `{"rows":[{}]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		r, _, err := Parse(pypi.Ecosystem, "fuzz", strings.NewReader(in))
		if err != nil {
			if !errors.Is(err, ErrRefused) || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("error %q", err)
			}
			return
		}
		if len(r.Entries) == 0 {
			t.Fatal("no error and no entries")
		}
		seen := map[string]bool{}
		for i, e := range r.Entries {
			again, ok := (pypi.Names{}).Project(e.Project)
			if !ok || again != e.Project || seen[e.Project] || e.Rank != i+1 || e.Count < 0 || i > 0 && e.Count > r.Entries[i-1].Count {
				t.Fatalf("entry %d: %+v", i, e)
			}
			seen[e.Project] = true
		}
	})
}

func TestMerge(t *testing.T) {
	month := func(names ...string) Ranking {
		r := Ranking{Origins: []Origin{{Source: "m"}}}
		for i, n := range names {
			r.Entries = append(r.Entries, Entry{Project: n, Rank: i + 1, Count: int64(100 - i)})
		}
		return r
	}
	for _, tc := range []struct {
		name string
		in   []Ranking
		want string
	}{
		{"one as it is", []Ranking{month("b", "a")}, "b a"},
		{"a spike of one month is out", []Ranking{month("a", "b"), month("a", "b"), month("spike", "a", "b")}, "a b"},
		{"a newcomer of two months is in, at its worse rank", []Ranking{month("a", "b", "c"), month("new", "a", "b", "c"), month("a", "b", "new", "c")}, "a b new c"},
		{"median of three", []Ranking{month("a", "b", "c"), month("c", "a", "b"), month("b", "a", "c")}, "a b c"},
		{"two: both must have it", []Ranking{month("a", "b", "c"), month("c", "a", "d")}, "a c"},
		{"four: three must have it", []Ranking{month("a", "b"), month("a", "b"), month("a", "b", "c"), month("c", "a")}, "a b"},
		{"nothing in common", []Ranking{month("a"), month("b")}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Merge(tc.in...)
			if s := strings.Join(names(got), " "); s != tc.want {
				t.Errorf("got %q, want %q", s, tc.want)
			}
			for range 5 {
				rand.Shuffle(len(tc.in), func(i, j int) { tc.in[i], tc.in[j] = tc.in[j], tc.in[i] })
				if again := Merge(tc.in...); !slices.Equal(names(again), names(got)) {
					t.Errorf("another order of the sources gives %q", names(again))
				}
			}
		})
	}
	m := Merge(month("a", "b"), month("b", "a"), month("b"))
	if m.Entries[0].Project != "b" || m.Entries[0].Count != 100 || m.Entries[1].Count != 99 || len(m.Origins) != 3 {
		t.Errorf("counts: %+v", m)
	}
}

func TestTop(t *testing.T) {
	r := Ranking{Entries: make([]Entry, 3)}
	for n, want := range map[int]int{-1: 3, 0: 3, 2: 2, 3: 3, 9: 3} {
		if got := len(r.Top(n).Entries); got != want {
			t.Errorf("Top(%d) has %d entries, want %d", n, got, want)
		}
	}
}

func TestStarter(t *testing.T) {
	r := Starter()
	if n := len(r.Entries); n < 900 || n > 1100 {
		t.Errorf("%d names, want about 1,000", n)
	}
	if r.Origins[0].Updated.IsZero() || !strings.Contains(strings.SplitN(starterText, "\n", 2)[0], "source: ") {
		t.Error("the first line of starter.txt lacks date or source")
	}
	// Names only, as they would be read from a list, each once.
	if _, warnings, err := Parse(pypi.Ecosystem, "starter.txt", strings.NewReader(starterText)); err != nil || len(warnings) > 0 {
		t.Errorf("%v %v", err, warnings)
	}
	for i, want := range []string{"requests", "numpy", "pandas", "flask", "pip"} {
		if !slices.Contains(names(r), want) {
			t.Errorf("%d: %s is missing", i, want)
		}
	}
}
