// Package client connects a Go program to an edgegw gateway and keeps it
// connected: it logs in, refreshes tokens before they end, comes back after
// every kind of break, goes on in each room where it stopped, and publishes each
// message once. It is the reference for clients in other languages; what it
// does is written down in docs/PROTOCOL.md of the gateway, and cited by section.
//
// The package imports the standard library only and nothing of the gateway, so
// that the folder can be copied into another module as it is. It is no general
// WebSocket client, and it does not speak the raw format.
package client
