package maventest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Plugin is a plugin of Maven's, compiled on this host against the Maven at home. Its one goal, "say", resolves what
// a project needs to run its tests, and prints how much that was.
func Plugin(t testing.TB, id, home string, needs ...string) Release {
	t.Helper()
	dir := t.TempDir()
	const source = `package said;
import org.apache.maven.plugin.AbstractMojo;
import org.apache.maven.project.MavenProject;
public class Say extends AbstractMojo {
  public void execute() {
    MavenProject p = (MavenProject) getPluginContext().get("project");
    System.out.println("artifacts: " + p.getArtifacts().size());
  }
}
`
	if err := os.WriteFile(filepath.Join(dir, "Say.java"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("javac", "--release", "8", "-Xlint:-options", "-cp", filepath.Join(home, "lib/*"), "-d", dir, filepath.Join(dir, "Say.java"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	class, err := os.ReadFile(filepath.Join(dir, "said/Say.class"))
	if err != nil {
		t.Fatal(err)
	}
	c := parse(id)
	about := fmt.Sprintf(`<plugin><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version><goalPrefix>said</goalPrefix>
<mojos><mojo><goal>say</goal><phase>validate</phase><requiresDependencyResolution>test</requiresDependencyResolution>
<requiresProject>true</requiresProject><implementation>said.Say</implementation><language>java</language></mojo></mojos></plugin>
`, c.GroupID, c.ArtifactID, c.Version)
	return Release{ID: id, Packaging: "maven-plugin", Needs: needs, Contents: map[string]string{"said/Say.class": string(class), "META-INF/maven/plugin.xml": about}}
}
