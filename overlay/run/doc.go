// Package run gives one command a snapshot, without a container runtime: a
// private mount namespace, the views on its user's cache directories, and, for
// a lock, its packages already installed.
//
// # What the command sees
//
//   - The clients' cache directories (below ~/.cache, or where their variables and
//     XDG_CACHE_HOME say): the snapshot's views, and below them, still visible,
//     what the user had there.
//   - $LARDER_VIEW: the whole snapshot, read-only.
//   - With locks: an environment's directory with the layers on it, and the
//     variables by which programs find it.
//
// Everything it writes to those goes to the instance's uppers. The rest of the
// file system is the host's, as it is.
//
// # The promises
//
//   - The host's mount table does not change. The namespace and all its mounts
//     end with the last process in it. When this process is killed the kernel
//     kills the command too.
//   - Processes that outlive the command, such as daemons it started, keep all
//     that they saw, and Report.Left names them: their instance is in use.
//   - The command is a plain child: its terminal, process group, standard files
//     and exit status stay what they would be without us, and signals sent to
//     us reach it. (SIGINT and SIGQUIT are not passed on while we are in the
//     terminal's foreground: the terminal has sent them to the child already.)
//   - Another user's command gets nothing of the caller's terminal: it is in a
//     session of its own, and what of its standard files is a terminal is
//     another one, relayed. Otherwise it could type into the caller's shell.
//   - A mount point is found without following a link that anybody but root
//     made, must belong to the user the command runs as, and directories on the
//     way are made with that user's rights. Otherwise a user who plants a link
//     could have root put a writable copy of /etc under a command.
//   - Without root: the same in a user namespace of the user's own ([Again]), over a tree that root
//     keeps mounted for that user. The command has the user's own rights there, and no other.
//   - Best effort unless Required: a part that cannot be attached is one
//     warning, and the command runs without it.
//
// # The limits
//
// A set-user-ID command is not killed with us. For another user's command ^Z
// stops what a shell in it started, not the command; the keyboard is not relayed
// when its standard output is no terminal (standard input is then empty). In a user
// namespace there are the user and the user's group only: files of others belong to nobody, programs
// with the set-user-ID bit (sudo) do not work, and what is below a view cannot be changed where it
// belongs to another group. A mount point with another mount below it is refused: that mount would
// vanish under the view.
package run
