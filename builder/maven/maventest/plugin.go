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
// has, of which one installs the POM, and one of a goal "say", which resolves what a project needs for its tests and
// prints how much that is, as all of them do. They are compiled on this host.
func Plugins(t testing.TB) []Release {
	t.Helper()
	classes := compile(t, map[string]string{"Say": say, "Install": install})
	return []Release{plugged("org.apache.maven.plugins:maven-clean-plugin:1", "clean", "Say", classes),
		plugged("org.apache.maven.plugins:maven-install-plugin:1", "install", "Install", classes), plugged(Say, "say", "Say", classes),
		{ID: "org.codehaus.plexus:plexus-utils:1.1"}} // Maven 3.8 adds it to every plugin that does not need it
}

// Say is the third of Plugins.
const Say = "org.said:said-maven-plugin:1"

// Pins are the first two, for Release.Pinned.
var Pins = []string{"org.apache.maven.plugins:maven-clean-plugin:1", "org.apache.maven.plugins:maven-install-plugin:1"}

func plugged(id, goal, class string, classes map[string]string) Release {
	c := parse(id)
	about := fmt.Sprintf(`<plugin><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version><goalPrefix>%s</goalPrefix>
<mojos><mojo><goal>%s</goal><requiresDependencyResolution>test</requiresDependencyResolution><requiresProject>true</requiresProject>
<implementation>said.%s</implementation><language>java</language>
<instantiationStrategy>per-lookup</instantiationStrategy><executionStrategy>once-per-session</executionStrategy><parameters/></mojo></mojos><dependencies/></plugin>
`, c.GroupID, c.ArtifactID, c.Version, goal, goal, class)
	contents := map[string]string{"META-INF/maven/plugin.xml": about}
	for name, text := range classes {
		contents["said/"+name+".class"] = text
	}
	return Release{ID: id, Packaging: "maven-plugin", Contents: contents}
}

const say = `package said;
public class Say extends org.apache.maven.plugin.AbstractMojo {
  org.apache.maven.project.MavenProject project() {
    return (org.apache.maven.project.MavenProject) getPluginContext().get("project");
  }
  public void execute() throws org.apache.maven.plugin.MojoExecutionException {
    System.out.println("artifacts: " + project().getArtifacts().size());
  }
}
`

// As the real one leaves it: the row says that no repository has it.
const install = `package said;
import java.nio.file.*;
public class Install extends Say {
  public void execute() throws org.apache.maven.plugin.MojoExecutionException {
    super.execute();
    org.apache.maven.project.MavenProject p = project();
    String name = p.getArtifactId() + "-" + p.getVersion() + ".pom";
    Path dir = p.getProjectBuildingRequest().getRepositorySession().getLocalRepository().getBasedir().toPath()
      .resolve(p.getGroupId().replace('.', '/')).resolve(p.getArtifactId()).resolve(p.getVersion());
    try {
      Files.createDirectories(dir);
      Files.copy(p.getFile().toPath(), dir.resolve(name), StandardCopyOption.REPLACE_EXISTING);
      Files.write(dir.resolve("_remote.repositories"), (name + ">=\n").getBytes());
    } catch (java.io.IOException e) {
      throw new org.apache.maven.plugin.MojoExecutionException("install", e);
    }
  }
}
`

// compile compiles classes of one package, by name, together.
func compile(t testing.TB, sources map[string]string) map[string]string {
	t.Helper()
	maven, err := settings.FindMaven(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	jars, _ := filepath.Glob(filepath.Join(maven.Home, "lib/*.jar"))
	args := []string{"--release", "8", "-Xlint:-options", "-cp", strings.Join(jars, ":"), "-d", dir}
	for name, text := range sources {
		path := filepath.Join(dir, name+".java")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.Command("javac", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	classes := map[string]string{}
	for name := range sources {
		text, err := os.ReadFile(filepath.Join(dir, "said", name+".class"))
		if err != nil {
			t.Fatal(err)
		}
		classes[name] = string(text)
	}
	return classes
}
