// Command larder stocks a container host with Python packages, once, and gives
// each container its own copy-on-write view of them.
//
// # The house
//
//	cmd/larder           commands: flags, one call, print
//	  internal/help      what the command line says of itself: pages, manuals, completion
//	  internal/report    the page of larder report
//	cmd/larder-hook      the OCI hook: attach and release; links no network code
//	cmd/larder-nri       the NRI plugin: the same for pods of Kubernetes, without a process for each
//	cmd/larder-runc      runc, with the hook in each bundle: for engines that know no definitions
//	cmd/internal/config  the operator's file, read by both
//	cmd/internal/container  one container's attach and release, of the hook and of the NRI plugin
//	cmd/internal/definition  how engines are told of the hook: hooks.d, CDI, config.json
//	cmd/internal/event   log/slog, as lines of the host's journal
//	cmd/internal/leftover  what containers and runs left: read, then removed
//	cmd/internal/readiness  how the NRI plugin says that a runtime calls it
//
//	popularity           what to stock: rankings and their blend
//	  sources            rankings from files, addresses, ClickHouse
//	  misses             what containers had to download, kept as names
//	  usage              what was used from snapshots and what was not, by week
//	  simulate           what a budget would hold of real requirement sets
//	  pypi, npm, maven   what the clients of each leave behind
//	builder              how a snapshot comes to be: plan, fetch, unpack, seal; its history
//	  fetch              HTTP: tries, resumed downloads, one conditional cache
//	  memory             what a build may take
//	  pypi/…             the index, wheels, layers and views of PyPI
//	  sandbox            one untrusted command in a container without network, or with one socket of ours
//	  npm/…              registries, tarballs as npm unpacks them, its cache
//	  maven/…            a repository, what a project's build asks of it, settings of Maven
//	  toytest            the least ecosystem there can be, for tests
//	snapshot             the store: pool, snapshots, leases, one writer at a time
//	  ecosystem          what a world of packages brings: its tables, its interfaces
//	  image              the EROFS image of a snapshot
//	  private            small images of environments that no build merged
//	  check, gc, trash   what verifies, what collects, and the one deleter
//	  journal            files of lines that many append to: history, usage
//	  failpoint          steps at which tests end or hold a program
//	  pypi/…             clients, tags, versions, markers and locks of PyPI
//	  npm/…              names, integrity, targets and locks of npm
//	  maven/…            coordinates and checksums of Maven
//	overlay              the mounts: image, tree, private upper
//	  attach             one session: a snapshot for a command or a container
//	  keep               snapshots kept mounted
//	  users              who uses the snapshots of a store
//	  instance           uppers: limits, records, what mounts them
//	  run, oci           around a command; in a container that a runtime creates
//	  probe              what this host can do
//	  pypi               virtual environments: read, made, masked
//	  npm                where node_modules goes
//	  overlaytest        small images, and namespaces for tests
//	scripts              demo, benchmarks, torture, units, definitions for runtimes
//
// Imports point one way: snapshot imports none of the others, popularity and
// what attaches in overlay import snapshot, builder imports snapshot and
// popularity, its sandbox overlay. The store and the mounts know no ecosystem: main.go registers
// those of the program.
//
// # The way of one artifact
//
//	popularity   ranks its project          larder rank
//	builder      plans it, by pip's choice  larder build, and so on to current
//	             fetches it into the pool, under the digest that the index published
//	             checks it, and unpacks it into a layer for each target
//	             seals layers, views and manifest as one image
//	snapshot     publishes the image and makes it current, by one rename
//	overlay      keeps it mounted           larder mount
//	             mounts it with a private upper: for a container (larder-hook),
//	             for a command (larder run)
//	popularity   reads from the upper what the container still had to download
//	snapshot     collects what no container and no policy needs (larder gc)
//
// # In this package
//
// Each command is one file named after it; app.go lists them and holds what
// they share, settings.go is the one table of configuration keys and flags,
// exit.go the one table of exit codes.
//
// # What scripts may rely on
//
// Data goes to standard output (with --json as JSON with stable field names,
// errors included), everything else to standard error as "larder: …", lower
// case, without a full stop, advice on a line of its own as "hint: …". Where standard error is the
// journal ($JOURNAL_STREAM), each event is one line of log/slog there instead, with its priority.
package main
