// Package pins is what the readers of all lock formats share: the pins they find,
// the environment they find them for, and the refusals they give.
//
// A reader fills a Set. The set normalises names and versions, refuses two
// versions of one project, and evaluates markers; so that is the same whatever the
// format. Text from a lock goes into a message only through Show.
package pins
