package maventest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder/maven/settings"
)

// Plugins are what the build of a project needs that has the packaging pom: stand-ins for the two that its life cycle
// has, and one of a goal "say", which resolves what a project needs for its tests and prints how much that is. They
// are compiled on this host.
func Plugins(t testing.TB) []Release {
	t.Helper()
	class := compile(t)
	return []Release{plugged("org.apache.maven.plugins:maven-clean-plugin:1", "clean", class),
		plugged("org.apache.maven.plugins:maven-install-plugin:1", "install", class), plugged(Say, "say", class),
		{ID: "org.codehaus.plexus:plexus-utils:1.1"}} // Maven 3.8 adds it to every plugin that does not need it
}

// Say is the third of Plugins.
const Say = "org.said:said-maven-plugin:1"

// Pins are the first two, for Release.Pinned.
var Pins = []string{"org.apache.maven.plugins:maven-clean-plugin:1", "org.apache.maven.plugins:maven-install-plugin:1"}

func plugged(id, goal, class string) Release {
	c := parse(id)
	about := fmt.Sprintf(`<plugin><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version><goalPrefix>%s</goalPrefix>
<mojos><mojo><goal>%s</goal><requiresDependencyResolution>test</requiresDependencyResolution><requiresProject>true</requiresProject>
<implementation>said.Say</implementation><language>java</language>
<instantiationStrategy>per-lookup</instantiationStrategy><executionStrategy>once-per-session</executionStrategy><parameters/></mojo></mojos><dependencies/></plugin>
`, c.GroupID, c.ArtifactID, c.Version, goal, goal)
	return Release{ID: id, Packaging: "maven-plugin", Contents: map[string]string{"said/Say.class": class, "META-INF/maven/plugin.xml": about}}
}

func compile(t testing.TB) (class string) {
	t.Helper()
	maven, err := settings.FindMaven(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const source = `package said;
public class Say extends org.apache.maven.plugin.AbstractMojo {
  public void execute() {
    Object p = getPluginContext().get("project");
    System.out.println("artifacts: " + ((org.apache.maven.project.MavenProject) p).getArtifacts().size());
  }
}
`
	if err := os.WriteFile(filepath.Join(dir, "Say.java"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	jars, _ := filepath.Glob(filepath.Join(maven.Home, "lib/*.jar"))
	out, err := exec.Command("javac", "--release", "8", "-Xlint:-options", "-cp", strings.Join(jars, ":"), "-d", dir, filepath.Join(dir, "Say.java")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "said/Say.class"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
