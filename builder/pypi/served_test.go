package pypi_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/pypi/pypitest"
	"larder/builder/pypi/view"
	"larder/snapshot/image"
)

// offer puts a wheel on the index whose link the index writes as link says, and
// returns that link.
func (w *world) offer(x pypitest.Wheel, link func(host, path string) string) string {
	data := x.Bytes()
	sum := digestOf(data)
	href := link(w.index.Host(), "/files/"+sum[:2]+"/"+sum[2:10]+"/"+x.Filename())
	return w.index.AddFile(x.Name, pypitest.Artifact{Name: x.Filename(), Data: data, Href: href})
}

// A signed address and a password in one are secrets: nothing of them is in anything
// that containers see. pip's cache is keyed by the whole address all the same.
func TestSecretsOfAddressesStayOut(t *testing.T) {
	const secret = "s3cr3t"
	w := newWorld(t, pypitest.Options{})
	w.leaveOutInterpreter()
	x := pypitest.Wheel{Name: "alpha"}
	link := w.offer(x, func(host, path string) string {
		return "http://user-" + secret + ":pass-" + secret + "@" + host + path + "?signature=" + secret + "#part-" + secret
	})
	lock := w.lock("requirements.txt", "alpha==1.0 --hash=sha256:"+digestOf(x.Bytes())+"\n")
	first := w.must(lock)
	img := w.open(first)
	must(t, img.Walk("", func(e image.Entry) error {
		if !e.Mode.IsRegular() || e.Size == 0 {
			return nil
		}
		b, err := fs.ReadFile(img, e.Path)
		if err != nil || bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s has the secret in it, or %v", e.Path, err)
		}
		return nil
	}))
	if raw, err := os.ReadFile(w.store.Dir() + "/snapshots/" + first.Snapshot + "/image.erofs"); err != nil || bytes.Contains(raw, []byte(secret)) {
		t.Errorf("the image has the secret in it, or %v", err)
	}
	if _, _, ok := img.Object("views/pip/" + view.Path(link) + ".body"); !ok {
		t.Error("pip would not find the wheel by its address")
	}
	m, err := img.Manifest()
	must(t, err)
	for _, r := range m.Artifacts {
		if r.Project == "alpha" && (!strings.HasSuffix(r.URL, "/"+x.Filename()) || !r.Signed) {
			t.Errorf("manifest: %+v", r)
		}
	}
	// The lock is known, but not the address any more: the index is asked.
	if again := w.must(lock); again.Snapshot != first.Snapshot || again.Published || again.FetchedBytes != 0 {
		t.Errorf("once more: %+v, want %s", again, first.Snapshot)
	}
}

// What is served beside a wheel is the wheel's own METADATA or nothing, whatever the
// index says; nothing wrong is remembered when the index is right again.
func TestMetadataIsTheWheelsOwn(t *testing.T) {
	const wrong = "Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\nRequires-Dist: evil\n"
	for _, hashed := range []bool{true, false} {
		for _, layers := range []builder.Layers{builder.AllLayers, builder.NoLayers} {
			t.Run(fmt.Sprintf("hashed=%t/layers=%v", hashed, layers), func(t *testing.T) {
				w := newWorld(t, pypitest.Options{UnhashedMetadata: !hashed})
				w.leaveOutInterpreter()
				x := pypitest.Wheel{Name: "alpha"}
				set := func(c *builder.Config) { ranking("alpha")(c); c.Layers = layers }
				file := pypitest.Artifact{Name: x.Filename(), Data: x.Bytes(), Metadata: []byte(wrong)}
				link := w.index.AddFile("alpha", file)
				served := func(r *builder.Report) string {
					b, err := fs.ReadFile(w.open(r), "views/pip/"+view.Path(link+".metadata")+".body")
					if err != nil {
						return ""
					}
					return string(b)
				}
				own := w.wheelText(t, x, "alpha-1.0.dist-info/METADATA")
				want := own
				if hashed {
					want = "" // pip would refuse the wheel's own: the index promised other bytes
				}
				first := w.must(set)
				if got := served(first); got != want {
					t.Errorf("served %q, want %q", got, want)
				}
				w.index.Reset()
				if again := w.must(set); again.Snapshot != first.Snapshot || again.FetchedBytes != 0 {
					t.Errorf("once more: %+v", again)
				}
				w.index.Remove("alpha")
				file.Metadata = nil // the truth
				w.index.AddFile("alpha", file)
				if got := served(w.must(set)); got != own {
					t.Errorf("the index is right again: served %q, want %q", got, own)
				}
			})
		}
	}
}

// wheelText is the text of one file of a wheel, as a layer has it.
func (w *world) wheelText(t *testing.T, x pypitest.Wheel, suffix string) (text string) {
	t.Helper()
	other := newWorld(t, pypitest.Options{})
	other.leaveOutInterpreter()
	other.add(x)
	img := other.open(other.must(ranking(x.Name)))
	must(t, img.Walk("l", func(e image.Entry) error {
		if strings.HasSuffix(e.Path, suffix) {
			b, err := fs.ReadFile(img, e.Path)
			text = string(b)
			return err
		}
		return nil
	}))
	if text == "" {
		t.Fatalf("no %s", suffix)
	}
	return text
}

// A plan that wrong metadata led astray is right again once the wheel was read.
func TestWrongNeedsAreForgotten(t *testing.T) {
	w := newWorld(t, pypitest.Options{UnhashedMetadata: true})
	x := pypitest.Wheel{Name: "alpha"}
	w.index.AddFile("alpha", pypitest.Artifact{Name: x.Filename(), Data: x.Bytes(), Metadata: []byte("Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\nRequires-Dist: stray\n")})
	w.add(pypitest.Wheel{Name: "stray"})
	plan := func() string {
		m, err := w.open(w.must(ranking("alpha"), scores(map[string]int64{"alpha": 1000}), withBudget(1<<30))).Manifest()
		must(t, err)
		var got []string
		for _, x := range m.Artifacts {
			if x.Project != "pip" {
				got = append(got, x.Project+"=="+x.Version)
			}
		}
		return strings.Join(got, " ")
	}
	if got := plan(); got != "alpha==1.0 stray==1.0" {
		t.Fatalf("the trap does not work: %s", got)
	}
	if got := plan(); got != "alpha==1.0" {
		t.Errorf("took %s; alpha's own METADATA needs nothing", got)
	}
}
