// Package npmtest is a registry on loopback, with packages made for a test, and the faults that real
// registries have.
package npmtest
