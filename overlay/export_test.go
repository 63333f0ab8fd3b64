package overlay

// Chowning is the oldest construction as it is where EROFS has no idmapped mounts.
func Chowning() Construction { return ordinary{chowns: true} }

// Chown is chown, for what it makes of a bad image.
var Chown = chown
