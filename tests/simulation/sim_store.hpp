#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "client/store.hpp"
#include "tests/simulation/history.hpp"
#include "tests/simulation/process.hpp"

namespace earshot::simulation {

// The application's own database: outlives the runs of its program. What it takes in and takes out is committed a while
// after it is asked and reported a while after that, so that a crash may fall before, between and behind; what send()
// adds is committed at once, since nobody can wait on the only thread.
class SimStore final : public client::Store {
 public:
  SimStore(World& world, History& history, DeviceName name)
      : world_(world), history_(history), name_(std::move(name)), random_(world.fork()) {}

  // A new run of the program.
  void opened_by(std::shared_ptr<Process> process) { process_ = std::move(process); }
  // The program is dead: what was not committed never will be.
  void program_died();
  void set_faults(double refusals, std::uint64_t delay_ms_max) { refusals_ = refusals, delay_ms_max_ = delay_ms_max; }
  // A bug of the application: it says "committed" before it is so.
  void set_reports_early(bool early) { reports_early_ = early; }

  Result<client::StoredState> load() override;
  void add(const client::OutboxHead& head, std::span<const client::OutboxMessage> messages, client::Done done) override;
  void remove(std::span<const client::Ticket> tickets, client::Done done) override;
  void welcome(const client::OutboxHead& outbox_head, const client::InboxHead& inbox_head,
               std::span<const client::OutboxMessage> changed, client::Done done) override;
  void receive(const client::InboxHead& head, std::span<const IncomingMessage> messages,
               std::span<const LostRange> lost, client::Done done) override;

 private:
  struct Operation {
    std::function<void()> commit;
    client::Done done;  // null: reported
  };
  using Operations = std::list<Operation>;

  bool refuses(const client::Done& done, std::string_view operation);
  void commit_later(std::function<void()> commit, client::Done done);
  void report(client::Done done, Status status);

  World& world_;
  History& history_;
  const DeviceName name_;
  Random random_;
  std::shared_ptr<Process> process_;
  double refusals_ = 0;
  std::uint64_t delay_ms_max_ = 3;
  bool reports_early_ = false;
  std::uint64_t run_ = 0;
  Operations operations_;  // under way

  // ---- committed
  client::OutboxHead outbox_head_;
  client::InboxHead inbox_head_;
  std::map<client::Ticket, client::OutboxMessage> outbox_;
};

}  // namespace earshot::simulation
