package main

import (
	"slices"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var authChecks = []check{
	{name: "users and roles before authentication is on", needs: "auth", run: func(s *stage) {
		ok(s.RoleAdd(s, "reader"))
		_, err := s.RoleAdd(s, "reader")
		fails(err, rpctypes.ErrRoleAlreadyExist)
		read := clientv3.PermissionType(clientv3.PermRead)
		ok(s.RoleGrantPermission(s, "reader", "ga/", clientv3.GetPrefixRangeEnd("ga/"), read))
		ok(s.UserAdd(s, "ann", "secret"))
		_, err = s.UserAdd(s, "ann", "secret")
		fails(err, rpctypes.ErrUserAlreadyExist)
		_, err = s.UserGrantRole(s, "ann", "none")
		fails(err, rpctypes.ErrRoleNotFound)
		ok(s.UserGrantRole(s, "ann", "reader"))
		equal(ok(s.UserGet(s, "ann")).Roles, []string{"reader"})
		equal(slices.Contains(ok(s.UserList(s)).Users, "ann"), true)
		equal(string(ok(s.RoleGet(s, "reader")).Perm[0].RangeEnd), "ga0")
		_, err = s.UserGet(s, "none")
		fails(err, rpctypes.ErrUserNotFound)
		_, err = s.AuthEnable(s)
		fails(err, rpctypes.ErrRootUserNotExist)
	}},
	{name: "who may do what while authentication is on", needs: "auth", run: allowed},
}

func allowed(s *stage) {
	as := func(name, password string) *clientv3.Client {
		return connect(clientv3.Config{Endpoints: s.endpoints, Username: name, Password: password})
	}
	ok(s.Put(s, "ga/1", "v"))
	ok(s.Put(s, "gb/1", "v"))
	ok(s.UserAdd(s, "root", "top"))
	ok(s.UserGrantRole(s, "root", "root"))
	ok(s.AuthEnable(s))
	// A linearizable read at each member, after which none lets a login pass as needless that comes to it first.
	var err error
	for _, endpoint := range s.endpoints {
		one := connect(clientv3.Config{Endpoints: []string{endpoint}})
		_, err = one.Get(s, "ga/1")
		fails(err, rpctypes.ErrUserEmpty)
		one.Close()
	}
	root := as("root", "top")
	defer root.Close()
	defer func() { ok(root.AuthDisable(s)) }()

	_, err = clientv3.New(clientv3.Config{Endpoints: s.endpoints, Username: "ann", Password: "wrong"})
	fails(err, rpctypes.ErrAuthFailed)
	ann := as("ann", "secret")
	defer ann.Close()
	equal(ok(ann.Get(s, "ga/", clientv3.WithPrefix())).Count, int64(1))
	for _, key := range []string{"g", "gb/1"} {
		_, err = ann.Get(s, key)
		fails(err, rpctypes.ErrPermissionDenied)
	}
	_, err = ann.Get(s, "g", clientv3.WithPrefix())
	fails(err, rpctypes.ErrPermissionDenied)
	_, err = ann.Put(s, "ga/1", "w")
	fails(err, rpctypes.ErrPermissionDenied)
	_, err = ann.Txn(s).Then(clientv3.OpGet("ga/1"), clientv3.OpPut("ga/2", "w")).Commit()
	fails(err, rpctypes.ErrPermissionDenied)
	_, err = ann.UserAdd(s, "eve", "x")
	fails(err, rpctypes.ErrPermissionDenied)
	denied := next(s, ann.Watch(s, "gb/1"))
	equal(denied.Canceled, true)
	seen := ann.Watch(s, "ga/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	equal(next(s, seen).Created, true)
	ok(root.Put(s, "ga/1", "x"))
	equal(told(s, seen, 1), "PUT ga/1=x")

	// What changes while a client is connected holds for its next call.
	ok(root.RoleGrantPermission(s, "reader", "gb/1", "", clientv3.PermissionType(clientv3.PermReadWrite)))
	ok(ann.Put(s, "gb/1", "w"))
	ok(root.RoleRevokePermission(s, "reader", "gb/1", ""))
	_, err = ann.Get(s, "gb/1")
	fails(err, rpctypes.ErrPermissionDenied)
	ok(root.UserChangePassword(s, "ann", "changed"))
	changed := as("ann", "changed")
	defer changed.Close()
	ok(changed.Get(s, "ga/1"))
	ok(root.UserRevokeRole(s, "ann", "reader"))
	_, err = changed.Get(s, "ga/1")
	fails(err, rpctypes.ErrPermissionDenied)
	ok(root.RoleDelete(s, "reader"))
	ok(root.UserDelete(s, "ann"))
}
