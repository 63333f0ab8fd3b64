package config

import "strings"

// meanings say what every key is for, in the order of the file. What a profile and a source of a
// ranking have is there once.
var meanings = []struct{ key, text string }{
	{"store", "the store's directory, on ext4, xfs or btrfs"},
	{"metrics", "file for the state after each build, in Prometheus' text format; empty: none"},
	{"rank.ranking", "files or addresses of rankings, merged as months of one; none: the one built in"},
	{"rank.top", "how many projects of the ranking a build stocks; with a budget, how many it looks at: by default one for each megabyte, 1000 at least"},
	{"rank.budget", "what the pool should grow to, such as 50GB; unset: the newest release of each project"},
	{"rank.include", "always stocked, first: names, and globs (acme-*) of what the rankings have"},
	{"rank.exclude", "never stocked but by a lock: names and globs (torch*); a name that include or pin has in full wins over a glob"},
	{"rank.pin", "PROJECT==VERSION (also ==1.26.*): always stocked, at these versions and no other"},
	{"rank.ecosystem", "what else is ranked and stocked: tables [rank.ecosystem.NAME] with ranking, top, budget, include, exclude and pin of its own"},
	{"rank.weight.rankings", "what the first place of the rankings is worth against those of others; 0 leaves them out"},
	{"rank.weight.misses", "likewise, of what this host's containers had to download"},
	{"rank.weight.clickhouse", "likewise, of the ClickHouse server"},
	{"rank.clickhouse.endpoint", "address of a server with public download counts; empty: none is asked"},
	{"rank.clickhouse.projects", "how many projects it is asked for; 0: its default"},
	{"rank.clickhouse.days", "over how many days it counts; 0: its default"},
	{"rank.clickhouse.versions", "how many versions of each; 0: its default"},
	{"rank.clickhouse.installers", "whose downloads count, such as pip and uv; none: its default"},
	{"rank.source", "rankings of another kind: tables [[rank.source]] with name, weight and ranking"},
	{"rank.source.name", "what messages call it"},
	{"rank.source.weight", "what its first place is worth against those of others"},
	{"rank.source.ranking", "its files or addresses, merged as months of one"},
	{"build.targets", "what to stock for, as tags (cp311-manylinux_2_36_x86_64); and for pythons; none: those of the current snapshot, else the python3 on PATH"},
	{"build.pythons", "Pythons to stock for on this host's platform, such as 3.12"},
	{"build.views", "the views that a build writes"},
	{"build.locks", "locks that every build stocks whole, as environments"},
	{"build.layers", "which ranked wheels are unpacked, too: auto is all without a budget, and with one those worth their disk; all; none; what a lock names always is"},
	{"build.jobs", "files downloaded at once, 1 to 64"},
	{"build.uv", "uvs that write the view uv, one for each generation of its cache; none: the one on PATH"},
	{"build.timeout", "what a build may wait for its index in all; 0s: for ever"},
	{"build.sdists", "build sources, in a container without network, where the index has no wheel that fits: no, pure (what needs no compiler), all"},
	{"build.sdists_allow", "only these projects' sources; with all, those that may have machine code, beside the pure ones of any; none: any"},
	{"build.sdists_deny", "never these projects' sources"},
	{"build.sdists_root", "directory of a root file system with a compiler and headers, in which machine code is built; empty: none is"},
	{"build.sdists_libraries", "shared libraries (libpq.so.5) that such code may need: every container that gets it has them"},
	{"run.snapshot", "the snapshot that larder run mounts"},
	{"run.views", "the views that it mounts"},
	{"run.missing", "what it does where the snapshot lacks something of a lock: warn, fail, or let pip install it"},
	{"run.built", "what it mounts of what was built from sources: no, pure (nothing with machine code) or all"},
	{"run.target", "the target that it mounts layers of; empty: this host's"},
	{"run.required", "fail where a view cannot be mounted, instead of running without"},
	{"run.upper_limit", "what a command may write, where the file system has project quotas; 0: all there is"},
	{"run.min_free", "with less free on the store's file system, nothing is mounted"},
	{"mount.users", "users, by name or number, for whom larder mount keeps a tree too; one that is not on the host is left out"},
	{"gc.keep", "how many of the newest snapshots stay, in use or not"},
	{"gc.older_than", "only snapshots published longer ago than this go; 0s: of any age"},
	{"profile.NAME.views", "the views that a container gets"},
	{"profile.NAME.mount_points", "where clients' caches are in the container, by client; else in its process's own home"},
	{"profile.NAME.view", "where the read-only view of the snapshot is in the container; empty: nowhere"},
	{"profile.NAME.snapshot", "the snapshot that it gets"},
	{"profile.NAME.lock", "lock file on the host whose packages are mounted at venv"},
	{"profile.NAME.venv", "where in the container; where nothing is, one is made of its own interpreter"},
	{"profile.NAME.target", "the target that layers are of; empty: what the container's own interpreter says"},
	{"profile.NAME.missing", "what the hook does where the snapshot lacks something of a lock: warn or fail"},
	{"profile.NAME.built", "what a container gets of what was built from sources: no, pure (nothing with machine code) or all"},
	{"profile.NAME.allow_container_lock", "honour the container's annotations dev.larder.lock and dev.larder.venv"},
	{"profile.NAME.requestable", "a container may name this profile, by the annotation dev.larder.profile"},
	{"profile.NAME.namespaces", "Kubernetes namespaces whose pods may name this profile, by the same annotation; team-* is any that begins so; none: no pod"},
	{"profile.NAME.override", "cover a volume that is mounted on exactly that place, and make directories in any"},
	{"profile.NAME.restart", "keep what a container wrote until Docker or Podman removes it, or reset it when its process ends"},
	{"profile.NAME.noexec", "nothing in a view can be executed, nor loaded as a library"},
	{"profile.NAME.share", "whether it gets anything: with false nothing is attached, so that it has no file and no page in memory together with others"},
	{"profile.NAME.upper_limit", "what a container may write into its views, where the file system has project quotas; 0: all there is"},
	{"profile.NAME.min_free", "with less free on the store's file system, nothing is attached"},
}

// Meaning says what a dotted key is for, as [Lines] has it; "" of a table, or of none.
func Meaning(key string) string {
	switch first, rest, _ := strings.Cut(key, "."); {
	case first == "profile" && strings.Contains(rest, ".mount_points"):
		key = "profile.NAME.mount_points"
	case first == "profile":
		key = "profile.NAME." + last(key)
	case strings.HasPrefix(key, "rank.ecosystem."):
		key = "rank." + last(key)
	case strings.HasPrefix(key, "rank.source."):
		key = "rank.source." + last(key)
	}
	for _, m := range meanings {
		if m.key == key {
			return m.text
		}
	}
	return ""
}
