package httpapi

// table is every route. openapi.yaml describes each of them; a test fails when
// one of the two has what the other has not.
func (a *API) table() []route {
	// The one that a whole site asks for at once, and that is measured, is found
	// first.
	routes := []route{{path: "/ws", class: classSocket, methods: do{"GET": a.webSocket}}}
	routes = append(routes, a.authRoutes()...)
	routes = append(routes, a.adminRoutes()...)
	routes = append(routes, a.roomRoutes()...)
	routes = append(routes, a.boardRoutes()...)
	routes = append(routes, a.pageRoutes()...)
	routes = append(routes, a.openRoutes()...)
	if !a.opts.MetricsElsewhere {
		routes = append(routes, a.metricsRoute())
	}
	return routes
}

// do are the methods of a route.
type do = map[string]handler

func (a *API) authRoutes() []route {
	return []route{
		{path: "/auth/login", class: classAuth, methods: do{"POST": a.login}},
		{path: "/auth/device", class: classAuth, methods: do{"POST": a.loginDevice}},
		{path: "/auth/refresh", class: classAuth, methods: do{"POST": a.refresh}},
		{path: "/auth/logout", class: classAuth, methods: do{"POST": a.logout}},
		{path: "/auth/password", class: classAuth, methods: do{"POST": a.bearer(a.changePassword)}},
		{path: "/auth/password-reset", class: classAuth, methods: do{"POST": a.requestReset}},
		{path: "/auth/password-reset/confirm", class: classAuth, methods: do{"POST": a.confirmReset}},
		{path: "/auth/me", class: classAuth, methods: do{"GET": a.bearer(a.me)}},
		{path: "/auth/sessions", class: classAuth, methods: do{"GET": a.bearer(a.listSessions)}},
		{path: "/auth/sessions/{id}", class: classAuth, methods: do{"DELETE": a.bearer(a.endSession)}},
	}
}

func (a *API) adminRoutes() []route {
	return []route{
		{path: "/users", class: classAdmin, methods: do{"GET": a.admin(a.listUsers), "POST": a.admin(a.addUser)}},
		{path: "/users/{name}", class: classAdmin, methods: do{
			"GET": a.admin(a.getUser), "PATCH": a.admin(a.patchUser), "DELETE": a.admin(a.deleteUser),
		}},
		{path: "/users/{name}/unlock", class: classAdmin, methods: do{"POST": a.admin(a.unlockUser)}},
		{path: "/users/{name}/password-reset", class: classAdmin, methods: do{"POST": a.admin(a.issueReset)}},
		{path: "/devices", class: classAdmin, methods: do{"GET": a.admin(a.listDevices), "POST": a.admin(a.addDevice)}},
		{path: "/devices/{name}", class: classAdmin, methods: do{
			"GET": a.admin(a.getDevice), "PATCH": a.admin(a.patchDevice), "DELETE": a.admin(a.deleteDevice),
		}},
		{path: "/devices/{name}/rotate-key", class: classAdmin, methods: do{"POST": a.admin(a.rotateDeviceKey)}},
		{path: "/connections", class: classAdmin, methods: do{"GET": a.admin(a.listConnections)}},
		{path: "/connections/{id}", class: classAdmin, methods: do{"DELETE": a.admin(a.cutConnection)}},
		{path: "/backup", class: classAdmin, methods: do{"GET": a.admin(a.getBackup)}},
		{path: "/audit", class: classAdmin, methods: do{"GET": a.admin(a.listAudit)}},
	}
}

func (a *API) roomRoutes() []route {
	return []route{
		{path: "/rooms", class: classRooms, methods: do{"GET": a.listRooms}},
		{path: "/rooms/{id}", class: classRooms, methods: do{
			"GET": a.getRoom, "PUT": a.bearer(a.putRoom), "DELETE": a.bearer(a.deleteRoom),
		}},
		{path: "/rooms/{id}/messages", class: classRooms, methods: do{"GET": a.getMessages, "POST": a.postMessage}},
		{path: "/rooms/{id}/presence", class: classRooms, methods: do{"GET": a.getPresence}},
	}
}

func (a *API) openRoutes() []route {
	return []route{
		{path: "/health", class: classHealth, open: true, methods: do{"GET": a.health}},
		{path: "/livez", class: classHealth, open: true, methods: do{"GET": a.live}},
		{path: "/readyz", class: classHealth, open: true, methods: do{"GET": a.ready}},
		{path: "/openapi.json", class: classOther, methods: do{"GET": a.openAPI}},
		{path: "/ca.crt", class: classOther, open: true, methods: do{"GET": a.caCertificate}},
	}
}
