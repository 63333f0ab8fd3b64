// Package report draws what an operator asks of a store on one page of HTML.
//
// The page is whole by itself: styles, script and pictures are in it, and a content security
// policy of its own keeps a browser from asking anybody for anything. It fits a phone, follows
// the reader's choice of light or dark, and reads without its script, which only searches.
//
// The package knows no store: it draws [Page], plain values that the command collects. Names
// come from indexes and containers, so every one of them is text to the template.
package report
