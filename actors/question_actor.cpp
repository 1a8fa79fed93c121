#include "actors/question_actor.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include "actors/exact_waits.hpp"
#include "actors/interfaces.hpp"
#include "actors/question_codec.hpp"
#include "actors/question_server.hpp"
#include "actors/timer_ladder.hpp"
#include "base/limits.hpp"

namespace earshot::actors {

// Thread: its actor's.
class Questions final : private QuestionHost {
 public:
  Questions(caf::event_based_actor& actor, QuestionSetup setup);

  void ask(NodesQuestion question) { desk_.ask(std::move(question), now_ms()); }
  void received(NodeId from, const std::string& frame);
  void answered_here(NodeAnswer answer) { desk_.answered(setup_.self, std::move(answer), now_ms()); }
  void link_changed(NodeId node) { desk_.link_changed(node, now_ms()); }
  void exact_now() { server_.wake(now_ms()); }
  void when_exact(ShardId shard, std::uint32_t deadline_ms, ExactWaits::Then then) {
    waits_.wait(shard, now_ms() + deadline_ms, std::move(then), now_ms());
  }
  void timer_fired(std::uint64_t number);
  // After every event.
  void settle();

 private:
  // QuestionHost
  std::shared_ptr<const cluster::CellMap> cells() override { return setup_.feeds->cells(); }
  bool send(NodeId to, const NodeQuestion& question) override;

  void arm_timer();
  [[nodiscard]] QuestionServer::Setup server_setup() const;
  [[nodiscard]] std::uint64_t now_ms() const { return setup_.clock->monotonic_ms(); }

  caf::event_based_actor& actor_;
  const QuestionSetup setup_;
  QuestionServer server_;
  QuestionDesk desk_;
  ExactWaits waits_;
  TimerLadder timers_;
};

namespace {

constexpr unsigned kNumberBits = 20;  // questions, or answers, that a node could give in each ms of all its lives

// From any thread, and also when the actor has ended.
void call(const caf::weak_actor_ptr& questions, std::function<void(Questions&)> what) {
  if (const auto actor = questions.lock())
    caf::anon_send(caf::actor_cast<caf::actor>(actor), QuestionsCall{std::move(what)});
}

}  // namespace

Questions::Questions(caf::event_based_actor& actor, QuestionSetup setup)
    : actor_(actor),
      setup_(std::move(setup)),
      server_(server_setup()),
      desk_(*this, {limits::kOpenQuestionsMax, limits::kQuestionBytesMax}, setup_.clock->wall_ms() << kNumberBits),
      waits_(setup_.feeds, limits::kOpenQuestionsMax) {}

QuestionServer::Setup Questions::server_setup() const {
  QuestionServer::Setup setup;
  setup.self = setup_.self;
  setup.places = setup_.places;
  setup.feeds = setup_.feeds;
  setup.visibility = setup_.visibility;
  setup.first_serving = setup_.clock->wall_ms() << kNumberBits;
  setup.waiting_max = limits::kQuestionsServedMax;
  setup.when_exact = [self = caf::actor_cast<caf::weak_actor_ptr>(&actor_)] {
    call(self, [](Questions& questions) { questions.exact_now(); });
  };
  return setup;
}

bool Questions::send(NodeId to, const NodeQuestion& question) {
  if (to != setup_.self)
    return setup_.peers->send(
        to, {cluster::PeerTopic::kQuestions, {}, std::make_shared<const std::string>(encode(question))});
  auto reply = [self = caf::actor_cast<caf::weak_actor_ptr>(&actor_)](NodeAnswer answer) {
    call(self, [answer = std::make_shared<NodeAnswer>(std::move(answer))](Questions& questions) {
      questions.answered_here(std::move(*answer));
    });
  };
  server_.serve(to, question, std::move(reply), now_ms());
  return true;
}

// Answers go from the thread that has them: it is as good as this one to put them into frames.
void Questions::received(NodeId from, const std::string& frame) {
  auto message = decode_question_message(frame);
  if (!message)
    return spdlog::warn("a question or answer from node {} is dropped: {}", from.value, message.error().to_string());
  if (auto* answer = std::get_if<NodeAnswer>(&*message)) return desk_.answered(from, std::move(*answer), now_ms());
  auto& question = std::get<NodeQuestion>(*message);
  question.tag.node = from;
  auto reply = [peers = setup_.peers, from, log = setup_.call_log,
                call = RemoteCall{question.tag, std::nullopt, now_ms()}](NodeAnswer answer) {
    log->answered(call, answer);
    for (std::string& part : encode_parts(std::move(answer)))
      if (!peers->send(from,
                       {cluster::PeerTopic::kQuestions, {}, std::make_shared<const std::string>(std::move(part))}))
        return;
  };
  server_.serve(from, std::move(question), std::move(reply), now_ms());
}

void Questions::timer_fired(std::uint64_t number) {
  timers_.fired(number);
  desk_.wake(now_ms());
  server_.wake(now_ms());
  waits_.wake(now_ms());
}

void Questions::settle() {
  setup_.gauge->open.store(desk_.open(), std::memory_order_relaxed);
  setup_.gauge->bytes.store(desk_.bytes(), std::memory_order_relaxed);
  arm_timer();
}

void Questions::arm_timer() {
  std::uint64_t at_ms = 0;
  for (const std::uint64_t wanted_ms : {desk_.wake_at(), server_.wake_at(), waits_.wake_at()})
    if (wanted_ms != 0 && (at_ms == 0 || wanted_ms < at_ms)) at_ms = wanted_ms;
  if (at_ms == 0) return;
  const std::uint64_t now = now_ms();
  if (const auto armed_ms = timers_.want(at_ms, now))
    actor_.delayed_send(&actor_, std::chrono::milliseconds(*armed_ms - now), TimerFired{*armed_ms});
}

namespace {

class QuestionActor final : public caf::event_based_actor {
 public:
  QuestionActor(caf::actor_config& config, QuestionSetup setup)
      : caf::event_based_actor(config), questions_(std::in_place, *this, std::move(setup)) {}

  const char* name() const override { return "questions"; }

 private:
  caf::behavior make_behavior() override {
    return {
        [this](const QuestionsCall& message) {
          message.call(*questions_);
          questions_->settle();
        },
        [this](const TimerFired& message) {
          questions_->timer_fired(message.number);
          questions_->settle();
        },
        [this](StopWriter) { quit(); },
    };
  }
  void on_exit() override { questions_.reset(); }

  std::optional<Questions> questions_;
};

}  // namespace

caf::actor spawn_questions(caf::actor_system& system, QuestionSetup setup) {
  return system.spawn<QuestionActor>(std::move(setup));
}

void QuestionPort::ask(NodesQuestion question) {
  call([question = std::make_shared<NodesQuestion>(std::move(question))](Questions& questions) {
    questions.ask(std::move(*question));
  });
}
void QuestionPort::when_exact(ShardId shard, std::uint32_t deadline_ms, std::function<void(bool)> then) {
  call([shard, deadline_ms, then = std::move(then)](Questions& questions) {
    questions.when_exact(shard, deadline_ms, then);
  });
}
void QuestionPort::received(NodeId from, storage::SharedBytes frame) const {
  call([from, frame = std::move(frame)](Questions& questions) { questions.received(from, *frame); });
}
void QuestionPort::link_changed(NodeId node) const {
  call([node](Questions& questions) { questions.link_changed(node); });
}
void QuestionPort::call(std::function<void(Questions&)> what) const {
  caf::anon_send(questions_, QuestionsCall{std::move(what)});
}

}  // namespace earshot::actors
