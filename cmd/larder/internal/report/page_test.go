package report

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// sample is a page in which every name is hostile.
func sample() Page {
	const evil = `"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>{{.}}</title></script>`
	at := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	freed := int64(3 << 30)
	p := Page{Version: "1.2.3", Host: "web-1", Store: "/var/lib/larder", Made: at, Noun: "artifact", Free: 400 << 30, Freed: &freed,
		Problems:  []Problem{{true, "fuse " + evil, evil, "nothing mounts without: " + evil, "apt install " + evil}, {Name: "timer", Detail: "not enabled", Fix: "systemctl enable --now larder-build.timer"}},
		Disk:      []Share{{"objects", 41 << 30}, {"images", 1 << 30}, {evil, 5 << 30}, {"trash", 0}, {"other", 200 << 20}},
		Snapshots: []Snapshot{{strings.Repeat("ab", 32), at, []string{"current", "mounted"}, 312, 3923, "wheel", 2 << 30, 38 << 30}, {evil, at.AddDate(0, 0, -7), nil, 2, 3890, "tarball", 1 << 30, 37 << 30}, {"ff", at, nil, 0, 0, "", -1, -1}},
		Users:     []User{{evil, strings.Repeat("ab", 32), at}},
		Missed:    []Missed{{evil, 40, false}, {"left-pad", 12, true}},
		Builds:    []Build{{at, true, 4 * time.Minute, "3,923 wheels"}, {at, false, time.Second, evil}},
	}
	for i := range 300 {
		name := fmt.Sprintf("project-%03d", i)
		if i%50 == 7 {
			name = evil
		}
		p.Packages = append(p.Packages, Package{name, []string{"1.0", "2.0rc1"}, 4, int64(i+1) << 18, i + 1})
		p.Ranking = append(p.Ranking, Ranked{name, i < 120 || i%3 > 0})
	}
	for i := range 30 {
		p.Weeks = append(p.Weeks, Week{at.AddDate(0, 0, 7*(i-30)).Format(time.DateOnly), int64(900 + 30*i), int64(400 - 10*i), int64(i) << 30})
	}
	return p
}

// The page asks nobody for anything and runs nothing but its own script, whatever names it
// shows; they are all there, as text.
func TestPage(t *testing.T) {
	for name, p := range map[string]Page{"full": sample(), "empty": {}, "one week": {Weeks: []Week{{Start: "2026-11-16"}}, Ranking: []Ranked{{"a", true}}}} {
		var b bytes.Buffer
		if err := p.Write(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if path := os.Getenv("LARDER_REPORT_SAMPLE"); path != "" && name == "full" {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		doc, err := html.Parse(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		scripts, ids := 0, map[string]bool{}
		for n := range doc.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			if n.Data == "script" {
				scripts++
			}
			if strings.Contains(" img link iframe object embed base form a ", " "+n.Data+" ") {
				t.Errorf("%s: a <%s>", name, n.Data)
			}
			for _, a := range n.Attr {
				if a.Key == "src" || a.Key == "href" || a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.Contains(a.Val, "NaN") || strings.Contains(a.Val, "Inf") {
					t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
				}
				if a.Key == "id" {
					ids[a.Val] = true
				}
			}
		}
		if scripts != 1 || bytes.Contains(b.Bytes(), []byte("ZgotmplZ")) || bytes.Contains(b.Bytes(), []byte("url(")) || bytes.Contains(b.Bytes(), []byte("@import")) {
			t.Errorf("%s: %d scripts", name, scripts)
		}
		for _, id := range []string{"problems", "disk", "time", "ranking", "builds", "stock"} {
			if !ids[id] {
				t.Errorf("%s: no section %s", name, id)
			}
		}
	}
	var b bytes.Buffer
	if err := sample().Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"&lt;script&gt;alert(1)", "left-pad", "would free 3.2 GB", "project-299", "abababababab</code>", "3,923"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if !strings.Contains(text, "default-src 'none'") && !strings.Contains(text, "default-src &#39;none") {
		t.Error("no content security policy")
	}
}

func TestCharts(t *testing.T) {
	p := sample()
	if got := len(p.LastWeeks()); got != shownWeeks {
		t.Errorf("%d weeks", got)
	}
	for name, c := range map[string]Chart{"disk": p.DiskChart(), "hits": p.HitChart(), "misses": p.MissChart(), "rank": p.RankChart(), "bar": p.Bar(p.Snapshots[0])} {
		for _, r := range c.Rects {
			if r.X < 0 || r.Y < -0.01 || r.W < 0 || r.H < 0 || r.X+r.W > 1000.01 || r.Y+r.H > 100.01 {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	if p.RankedStocked() != 240 || p.FirstLacking()[0] != "121 project-120" {
		t.Errorf("%d stocked, first lacking %v", p.RankedStocked(), p.FirstLacking()[0])
	}
	if h := (Week{Used: 3, Downloaded: 1}).HitRate(); h != 0.75 {
		t.Errorf("hit rate %v", h)
	}
}
