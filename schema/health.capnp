@0xb59cb8274ccd64da;
# What a node's http port says of its health, as JSON: /healthz and /readyz. Fields are only ever added.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("earshot::schema");

struct Health {
  alive @0 :Bool;
  why @1 :Text;   # of a node that is not
}

struct Readiness {
  ready @0 :Bool;
  missing @1 :List(Missing);   # empty when it is ready

  struct Missing {
    what @0 :Text;   # one word, for programs: "starting", "stopping", "disk", "places"
    why @1 :Text;    # for people
  }
}
