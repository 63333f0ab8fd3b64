package resolve

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/builder/maven/settings"
	"larder/builder/sandbox"
)

// repository is one of texts, by path; what is asked for under an address with "%" is made of the path.
type repository map[string]string

func (r repository) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	text, is := r[q.URL.Path]
	switch {
	case is:
		fmt.Fprint(w, text)
	case strings.HasPrefix(q.URL.Path, "/test/endless/") && strings.HasSuffix(q.URL.Path, ".pom"):
		var n int
		fmt.Sscanf(q.URL.Path, "/test/endless/p%d", &n)
		fmt.Fprint(w, pom(fmt.Sprintf("p%d", n), parent("test.endless", fmt.Sprintf("p%d", n+1))))
	case strings.HasPrefix(q.URL.Path, "/test/broken/"):
		http.Error(w, "broken", http.StatusBadGateway)
	default:
		http.NotFound(w, q)
	}
}

func pom(artifact, text string) string {
	group := "test.larder"
	if strings.HasPrefix(artifact, "p") {
		group = "test.endless"
	}
	return "<project><modelVersion>4.0.0</modelVersion><groupId>" + group + "</groupId><artifactId>" + artifact + "</artifactId><version>1.0</version><packaging>pom</packaging>" + text + "</project>"
}

func coordinates(group, artifact, version string) string {
	return "<groupId>" + group + "</groupId><artifactId>" + artifact + "</artifactId><version>" + version + "</version>"
}

func parent(group, artifact string) string {
	return "<parent>" + coordinates(group, artifact, "1.0") + "<relativePath/></parent>"
}

func depends(group, artifact, version string) string {
	return "<dependencies><dependency>" + coordinates(group, artifact, version) + "</dependency></dependencies>"
}

const deeds = "<build><plugins><plugin><groupId>test.larder</groupId><artifactId>deeds</artifactId><version>1.0</version><executions><execution><phase>validate</phase><goals><goal>do</goal></goals></execution></executions></plugin></plugins></build>"

// newRepository has a plugin that does deeds, compiled with the host's JDK.
func newRepository(t *testing.T) repository {
	t.Helper()
	maven, err := settings.FindMaven(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	classes := t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(maven.Java, "bin/javac"), "--release", "8", "-Xlint:-options", "-d", classes, "-cp", filepath.Join(maven.Home, "lib/*"), "testdata/hostile/Deed.java")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	class, err := os.ReadFile(filepath.Join(classes, "test/larder/Deed.class"))
	if err != nil {
		t.Fatal(err)
	}
	const descriptor = "<plugin><groupId>test.larder</groupId><artifactId>deeds</artifactId><version>1.0</version><goalPrefix>deeds</goalPrefix><mojos><mojo><goal>do</goal><description>deeds</description><instantiationStrategy>per-lookup</instantiationStrategy>" +
		"<implementation>test.larder.Deed</implementation><language>java</language><requiresDependencyResolution>test</requiresDependencyResolution>" +
		"<parameters><parameter><name>deed</name><type>java.lang.String</type></parameter></parameters><configuration><deed implementation=\"java.lang.String\">${deed}</deed></configuration></mojo></mojos></plugin>"
	return repository{
		"/test/larder/deeds/1.0/deeds-1.0.pom": strings.Replace(pom("deeds", ""), "<packaging>pom", "<packaging>maven-plugin", 1),
		"/test/larder/deeds/1.0/deeds-1.0.jar": jar(t, map[string]string{"META-INF/maven/plugin.xml": descriptor, "test/larder/Deed.class": string(class)}),
		// What Maven adds to plugins that do not name it.
		"/org/codehaus/plexus/plexus-utils/1.1/plexus-utils-1.1.pom": "<project><modelVersion>4.0.0</modelVersion>" + coordinates("org.codehaus.plexus", "plexus-utils", "1.1") + "</project>",
		"/org/codehaus/plexus/plexus-utils/1.1/plexus-utils-1.1.jar": jar(t, map[string]string{"empty": ""}),
	}
}

func jar(t *testing.T, members map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range members {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Whatever a plugin does, it ends, reaches nothing, leaves nothing, and is said in one line.
func TestE2EHostilePlugin(t *testing.T) {
	needsMirror(t)
	r, o := newRepository(t), options(t)
	dir := t.TempDir()
	name := write(t, filepath.Join(dir, "pom.xml"), pom("x", deeds))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("LARDER_SECRET", "s3cret")
	for _, x := range []struct {
		deed         string
		limits       sandbox.Limits
		reason, want string // "": none
	}{
		{deed: "nothing"},
		{deed: "reach@" + l.Addr().String() + "@127.0.0.1:22@192.0.2.1:80@[::1]:80@localhost:443@example.org:443"},
		{deed: "write@/@/etc@/usr/lib@/project@/bin@/dev@/proc/sys/kernel@" + dir + "@/var/tmp@/root"},
		{"phone", sandbox.Limits{}, NeedsNetwork, "downloads.example"},
		{"hang", sandbox.Limits{Time: 15 * time.Second}, Limit, "did not end within 15s"},
		{"chatter", sandbox.Limits{Log: 1 << 20}, Limit, "limit of log"},
		{"fill", sandbox.Limits{Output: 64 << 20}, Limit, "limit of output"},
		{"fork", sandbox.Limits{Processes: 200}, Limit, "limit of processes"},
		{"flood", sandbox.Limits{}, Limit, "more files than any needs"},
	} {
		o := o
		o.Limits, o.Requests, o.Goals = x.limits, 500, []string{"validate", "-Ddeed=" + x.deed}
		started := time.Now()
		err := Project(t.Context(), name, r, o)
		if x.reason == "" && err != nil {
			t.Fatalf("%s: %v", x.deed, err)
		} else if x.reason != "" {
			refused(t, x.deed, err, x.reason, x.want)
		}
		t.Logf("%s: %v, %s", x.deed, err, time.Since(started).Round(time.Millisecond))
		if left, _ := filepath.Glob(filepath.Join(o.Scratch, "*")); len(left) > 0 {
			t.Errorf("%s: left in scratch: %s", x.deed, left)
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Errorf("%s: left in the project: %s", x.deed, left)
		}
	}
}

// A project that nobody can resolve is said in one line, in which what is wrong is named.
func TestE2EHostilePOM(t *testing.T) {
	needsMirror(t)
	r, o := newRepository(t), options(t)
	o.Goals, o.Requests = []string{"validate", "-Ddeed=nothing"}, 300
	imports := "<dependencyManagement><dependencies><dependency>" + coordinates("test.larder", "loop", "1.0") + "<type>pom</type><scope>import</scope></dependency></dependencies></dependencyManagement>"
	r["/test/larder/loop/1.0/loop-1.0.pom"] = pom("loop", imports)
	r["/test/larder/self/1.0/self-1.0.pom"] = pom("self", parent("test.larder", "self"))
	r["/test/larder/ring/1.0/ring-1.0.pom"] = pom("ring", parent("test.larder", "gnir"))
	r["/test/larder/gnir/1.0/gnir-1.0.pom"] = pom("gnir", parent("test.larder", "ring"))
	r["/test/larder/bomb/1.0/bomb-1.0.pom"] = `<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]>` + pom("bomb", "<name>&b;</name>")
	r["/test/larder/ranged/maven-metadata.xml"] = "<metadata><groupId>test.larder</groupId><artifactId>ranged</artifactId><versioning><versions><version>3.0</version></versions></versioning></metadata>"
	for name, x := range map[string]struct{ text, reason, want string }{
		"self as parent":      {parent("test.larder", "self"), BadPOM, "cannot have the same groupId:artifactId as the project"},
		"parents in a ring":   {parent("test.larder", "ring"), BadPOM, "form a cycle"},
		"endless parents":     {parent("test.endless", "p0"), Limit, "more files than any needs"},
		"imports of itself":   {imports, BadPOM, "form a cycle"},
		"a module outside":    {"<modules><module>../../etc</module></modules>", BadPOM, "Child module /build/project/../../etc"},
		"itself as a module":  {"<modules><module>.</module></modules>", BadPOM, "forms aggregation cycle"},
		"a range without one": {depends("test.larder", "ranged", "[1.0,2.0)") + deeds, NotFound, "No versions available for test.larder:ranged:jar:[1.0,2.0)"},
		"a missing artifact":  {depends("test.larder", "none", "1.0") + deeds, NotFound, "Could not find artifact test.larder:none:jar:1.0"},
		"a missing parent":    {parent("test.larder", "none"), NotFound, "Non-resolvable parent POM"},
		"a bad gateway":       {depends("test.broken", "x", "1.0") + deeds, NotServed, "test.broken:x"},
		"entities":            {parent("test.larder", "bomb"), BadPOM, "Non-parseable POM"},
		"no version":          {depends("test.larder", "none", "${none}") + deeds, BadPOM, "none"},
	} {
		file := write(t, filepath.Join(t.TempDir(), "pom.xml"), pom("x", x.text))
		err := Project(t.Context(), file, r, o)
		refused(t, name, err, x.reason, x.want)
		t.Logf("%s: %v", name, err)
	}
}
