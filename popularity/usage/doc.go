// Package usage counts what snapshots spared: attaches, artifacts that were used from a snapshot,
// artifacts that were downloaded nevertheless, and the bytes of the former, by client and by week.
//
// # How it is known
//
// Nothing is counted while a container runs, and an attach does nothing for it but leave its note in
// the instance ([snapshot.Attached]). When an instance has ended, what its clients left in its uppers
// is read anyway, for the misses; that and the note are one [Use], a line of the store's usage/.
// Beside what the snapshot stocks, a Use says:
//
//   - attached: each mount of the note, by client;
//   - used, of an environment: every layer that was mounted for a lock;
//   - used, of a cache: a project whose page of the index the client asked for and kept, that the
//     snapshot stocks, and of which no download is in the upper; and one that was installed after
//     the attach, stocked in that very version, by a client whose cache was attached;
//   - downloaded: what the uppers hold of artifacts, and what was installed and is not stocked.
//
// A project counts once for each instance. Bytes spared are the sizes of the artifacts; where the
// version is not known, that of the smallest that is stocked.
//
// # What it does not see
//
// A read of a snapshot leaves no trace: the kernel keeps no access time of what lies below an
// overlay. So a client that asked for a page and then took nothing counts as one that used the
// project. Where an index lets nobody keep its pages, a command outside of a container shows nothing,
// and a container that installs from another index than the snapshot's counts as one that used what
// is stocked. What was installed elsewhere than where programs look, or removed again, is not seen.
// What runs is counted when it has ended, and what a reaper has not read yet, when it has.
//
// # Promises
//
//   - Lines are appended whole, without a sync; a torn one is passed over. Weeks are written by one
//     rename, durably, by one at a time, and a kill in between counts nothing twice.
//   - Counters never fall: weeks that are dropped, after ten years, stay in the totals.
package usage
