package httpapi

import "edgegw/internal/gateway"

// grantJSON is a grant as it stands in bodies.
type grantJSON struct {
	Room   string `json:"room"`
	Rights string `json:"rights"`
}

// grantsOf gives a list even when there is no grant.
func grantsOf(grants gateway.Grants) []grantJSON {
	list := make([]grantJSON, 0, len(grants))
	for _, g := range grants {
		list = append(list, grantJSON{Room: g.Pattern, Rights: g.Rights.String()})
	}
	return list
}

// parseGrants returns CodeInvalidRequest for a room that is no pattern and for
// unknown rights. No list at all gives nil.
func parseGrants(list []grantJSON) (gateway.Grants, error) {
	if list == nil {
		return nil, nil
	}
	grants := make(gateway.Grants, 0, len(list))
	for _, g := range list {
		if err := gateway.CheckRoomPattern(g.Room); err != nil {
			return nil, err
		}
		rights, err := gateway.ParseRights(g.Rights)
		if err != nil {
			return nil, err
		}
		grants = append(grants, gateway.Grant{Pattern: g.Room, Rights: rights})
	}
	return grants, nil
}
