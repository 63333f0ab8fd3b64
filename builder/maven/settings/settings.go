package settings

import (
	"context"
	"errors"

	"larder/builder/fetch"
)

// ErrConfig: Maven's configuration cannot be read, or asks for something that cannot be done.
var ErrConfig = errors.New("Maven configuration not usable")

// Config is where releases are and how they are reached: what Maven would use. It may be printed:
// credentials stay hidden.
type Config struct {
	Repository string // http or https, without a user and without a slash at its end
	ID         string // of the mirror or repository, by which a server's login is found
	fetch.Access
}

// Names are what Maven's users call what a client is configured by.
var Names = fetch.Names{
	Address: "mirror", Login: "a server of ~/.m2/settings.xml", CABundle: "the system's certificates",
	ClientCert: "the system's certificates", Proxy: "a proxy of ~/.m2/settings.xml", Show: "~/.m2/settings.xml",
}

// FromMaven is what Maven would use in this process's environment, in no project.
func FromMaven(ctx context.Context) (Config, error) {
	return Config{}, errors.ErrUnsupported
}
