// Command nothing is what any program in Go costs: the least that a hook can be compared with.
package main

func main() {}
