// Package config reads the operator's file, /etc/larder/config.toml.
//
// The file sets every default that a flag can set; a flag on the command line
// wins. larder and larder-hook read the same file, so that what a build stocks
// and what a container gets are written down in one place:
//
//	store   = "/var/lib/larder"
//	metrics = "/var/lib/node_exporter/larder.prom"  # written after each build; none by default
//
//	[rank]                          # larder rank, and what larder build plans from
//	ranking = ["/srv/top.json"]     # files or URLs
//	top     = 1000
//	budget  = "50GB"                # none: the newest release of the first top
//	include = ["our-tool", "acme-*"]        # always stocked, first; of a glob, what the rankings have
//	exclude = ["torch*"]            # never stocked but by a lock, nor by a name that include has in full
//	pin     = ["numpy==1.26.4"]     # always stocked, at these versions and no other
//	weight  = { rankings = 1, misses = 1, clickhouse = 1 }  # 0: left out
//	clickhouse = { endpoint = "https://clickhouse.example/?user=name", projects = 5000, days = 30, versions = 20, installers = ["pip", "uv"] }
//
//	[[rank.source]]                 # rankings of another kind, such as one's own
//	name    = "fleet"
//	weight  = 2
//	ranking = ["/srv/fleet.csv"]
//
//	[rank.ecosystem.npm]            # what else is ranked, and stocked by the same builds: of each its own
//	ranking = ["/srv/npm.json"]     # top, budget, include, exclude and pin, as above
//	top     = 500
//	budget  = "10GB"
//	pin     = ["react@18.3.1"]
//
//	[build]
//	targets = ["cp311-manylinux_2_36_x86_64"]
//	pythons = ["3.12"]                             # the same for this host's platform
//	views   = ["wheels", "pip", "poetry", "simple"]  # "pip-old": hashed installs by pip before 23.1; "uv"; "npm-packuments"
//	locks   = ["/srv/app/requirements.lock"]
//	layers  = "auto"
//	jobs    = 16                    # 1 to 64
//	uv      = ["/opt/uv-0.9/uv", "/usr/bin/uv"] # write the view "uv", where it is named
//	sdists  = "no"                  # "pure", "all": build sources where no wheel fits
//	sdists_allow = ["psycopg2"]     # these only; with "all", the ones that may have machine code
//	sdists_deny  = ["acme-*"]       # never these
//	sdists_root  = "/srv/build-root"      # with a compiler: what machine code is built in
//	sdists_libraries = ["libpq.so.5"]     # that such code may need, and every container has
//	timeout = "6h"                  # what waiting for the index may take in all; "0s" for ever
//
//	[run]
//	snapshot = "current"
//	views    = ["wheels", "pip"]
//	missing  = "warn"               # or "fail", "pip"
//	built    = "pure"               # or "no", "all": what is mounted of what was built from sources
//	target   = ""
//	required = false
//	upper_limit = "10GB"            # of what a command may write, where the file system has project quotas
//	min_free    = "64MB"            # with less on the store's file system nothing is attached
//
//	[gc]
//	keep       = 3
//	older_than = "14d"
//
//	[profile.default]               # what a container gets from larder-hook
//	views                = ["wheels", "pip"]
//	mount_points         = { pip = "/cache/pip" }  # else the process's own home
//	view                 = "/mnt/cacache"          # the read-only view; "" for none
//	snapshot             = "current"
//	lock                 = "/srv/app/requirements.lock"
//	venv                 = "/opt/venv"
//	target               = ""
//	missing              = "warn"                  # or "fail"
//	built                = "pure"                  # or "no", "all", as for run
//	allow_container_lock = false    # honour the dev.larder.lock and .venv annotations
//	requestable          = false    # a container may name it: dev.larder.profile
//	namespaces           = ["ci", "team-*"]        # whose pods may name it: larder-nri; none by default
//	override             = false    # cover a volume mounted on exactly that place, make directories in any
//	restart              = "keep"   # "reset": what a container wrote goes when its process ends, not when
//	                                # Docker or Podman removes the container
//	noexec               = false    # nothing in a view is executed, nor loaded as a library
//	share                = true     # false: nothing is attached, and no file or page of a snapshot is this container's too
//	upper_limit          = "10GB"   # as for run; none by default
//	min_free             = "64MB"
//
// Promises: a file that says something this version does not understand is
// refused whole, with the line and the nearest thing it does understand: a
// misspelt key must not quietly leave the default in force. So is a view or a
// client that no ecosystem of the program has, and a value that means nothing,
// in the words that a flag is refused in. A file that others
// than its owner may write, or whose owner is neither root nor the caller, is
// refused, because it decides what root mounts into containers. A missing file
// at the default path means the defaults; a missing file that was named is an
// error.
//
// Limits: profiles do not inherit from one another, what a profile leaves out
// has the default shown above. What a value means (does the snapshot exist, is
// the tag a tag, can a build write the view) is for the command that uses it to
// say. Which flag a key is the default of is in cmd/larder/settings.go.
package config
