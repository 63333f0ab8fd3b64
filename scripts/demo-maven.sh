#!/usr/bin/env bash
# A real project of Maven's, built by an unmodified mvn that asks its mirror for nothing, in a
# scratch store: `make demo-maven`. Needs root, Go, Maven, a JDK, runc or crun, and the mirror
# that Maven is configured for.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
  echo "demo-maven: mounts need root; run it as: sudo make demo-maven" >&2
  exit 1
fi
for tool in go mvn javac python3; do
  command -v $tool >/dev/null || { echo "demo-maven: $tool is not on PATH; install it and run make demo-maven again" >&2; exit 1; }
done

larder=$PWD/bin/larder
work=$(mktemp -d "${TMPDIR:-/var/tmp}/larder-demo-maven.XXXXXX")
export LARDER_STORE=$work/store
cleanup() {
  bin/larder unmount --all >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
say() { printf '\n== %s\n' "$*"; }

say "build the binaries"
make -s build

# Scratch homes, with the user's own settings: Java finds the home in passwd, not in HOME.
settings=$HOME/.m2/settings.xml
home() { # DIR
  mkdir -p "$1/.m2"
  [ ! -e "$settings" ] || cp "$settings" "$1/.m2/"
  export HOME=$1 MAVEN_OPTS=-Duser.home=$1
}

# Runs a command in a copy of the project; the seconds go to NAME.s, what it says to NAME.log.
measure() { # NAME COMMAND...
  local name=$1 start; shift
  rm -rf "$work/app"
  cp -R "$work/project" "$work/app"
  start=$(date +%s.%N)
  (cd "$work/app" && "$@") >"$work/$name.log" 2>&1 || { tail -n 15 "$work/$name.log" >&2; echo "demo-maven: $name failed: $*" >&2; exit 1; }
  python3 -c "import time; print('%.1f' % (time.time() - $start))" >"$work/$name.s"
}
downloads() { grep -c '^.INFO. Downloaded from\|^Downloaded from' "$work/$1.log" || true; }
upper() { python3 -c "import json; print(json.load(open('$work/$1.json'))['upper_bytes'])"; }

say "1. a project: a class, a test of JUnit 5"
mkdir -p "$work/project/src/main/java" "$work/project/src/test/java"
cat >"$work/project/pom.xml" <<'XML'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>demo</groupId>
  <artifactId>app</artifactId>
  <version>1.0</version>
  <properties>
    <maven.compiler.source>17</maven.compiler.source>
    <maven.compiler.target>17</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency><groupId>org.junit.jupiter</groupId><artifactId>junit-jupiter</artifactId><version>5.11.4</version><scope>test</scope></dependency>
  </dependencies>
  <build><plugins><plugin><artifactId>maven-surefire-plugin</artifactId><version>3.5.2</version></plugin></plugins></build>
</project>
XML
echo 'public class App { static int twice(int n) { return 2 * n; } }' >"$work/project/src/main/java/App.java"
echo 'class AppTest { @org.junit.jupiter.api.Test void twice() { org.junit.jupiter.api.Assertions.assertEquals(4, App.twice(2)); } }' >"$work/project/src/test/java/AppTest.java"
cat "$work/project/pom.xml"

say "2. larder build --lock pom.xml: Maven says what it needs, in a container whose only network is Larder"
home "$work/stocked"
measure build "$larder" build --lock pom.xml
tail -n 1 "$work/build.log"
"$larder" show pkg:maven/org.junit.jupiter/junit-jupiter-api

say "3. mvn verify in a command that larder runs, then without"
measure online "$larder" run --required --report "$work/online.json" -- mvn -B verify
measure offline "$larder" run --required --report "$work/offline.json" -- mvn -B -o verify
home "$work/plain"
measure cold mvn -B verify
measure warm mvn -B verify
grep -h 'Tests run: [^,]*, Failures: 0' "$work/online.log" | tail -n 1

cat <<TABLE

| mvn verify | files downloaded | seconds | bytes in the upper |
| --- | --- | --- | --- |
| with Larder | $(downloads online) | $(cat "$work/online.s") | $(upper online) |
| with Larder, -o | $(downloads offline) | $(cat "$work/offline.s") | $(upper offline) |
| without, nothing cached | $(downloads cold) | $(cat "$work/cold.s") | |
| without, once more | $(downloads warm) | $(cat "$work/warm.s") | |
| build, once for the host | | $(cat "$work/build.s") | |
TABLE

for name in online offline; do
  [ "$(downloads $name)" = 0 ] || { echo "demo-maven: $name downloads" >&2; exit 1; }
done
