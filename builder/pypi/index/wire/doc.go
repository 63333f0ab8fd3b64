// Package wire sends the requests of an index client and says in one line what
// went wrong with them.
//
// Client.Send repeats what may be better next time (408, 429, 5xx, refused and
// cut connections before the answer) with growing pauses, obeys Retry-After for
// the whole host, follows redirects within bounds, and gives credentials to
// their own origin only. An Answer's Body fails when it comes too slowly.
// At most Limits.Jobs calls are under way (Slot). Bodies that are cut are the caller's to repeat or to resume: only it knows
// what it has.
//
// Error, made by Problem and StatusError, never shows a user, a query or a
// fragment.
package wire
