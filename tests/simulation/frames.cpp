#include "tests/simulation/frames.hpp"

namespace earshot::simulation {

Frame write_login_answer(std::uint64_t number, const Result<Welcome>& welcome) {
  return make_frame<schema::LoginAnswer>(FrameKind::kWelcome, number, [&](schema::LoginAnswer::Builder root) {
    if (welcome) {
      wire::write(*welcome, root.initOk().initWelcome());
    } else {
      wire::write(welcome.error(), root.initError());
    }
  });
}

Result<Welcome> read_login_answer(const Frame& frame) {
  return with_body<schema::LoginAnswer>(frame, [](schema::LoginAnswer::Reader root) -> Result<Welcome> {
    if (root.isError()) return fail(wire::read(root.getError()));
    return wire::read(root.getOk().getWelcome());
  });
}

Frame write_answers(std::uint64_t number, const std::vector<SendAnswer>& answers) {
  return make_frame<schema::Session::SendResults>(FrameKind::kAnswers, number, [&](auto root) {
    auto list = root.initAnswers(static_cast<capnp::uint>(answers.size()));
    for (capnp::uint i = 0; i < list.size(); ++i) wire::write(answers[i], list[i]);
  });
}

std::vector<SendAnswer> read_answers(const Frame& frame) {
  return with_body<schema::Session::SendResults>(frame, [](auto root) {
    std::vector<SendAnswer> answers;
    for (const auto answer : root.getAnswers()) answers.push_back(wire::read(answer));
    return answers;
  });
}

Frame write_delivery(const actors::Delivery& delivery) {
  return make_frame<schema::Batch>(FrameKind::kDelivery, delivery.number, [&](schema::Batch::Builder root) {
    root.setEpoch(delivery.epoch.value);
    root.setLastSequence(delivery.last_sequence.value);
    auto messages = root.initMessages(static_cast<capnp::uint>(delivery.items.size()));
    for (capnp::uint i = 0; i < messages.size(); ++i)
      wire::write(*delivery.items[i].message, delivery.items[i].attempt, messages[i]);
    auto lost = root.initLost(static_cast<capnp::uint>(delivery.lost.size()));
    for (capnp::uint i = 0; i < lost.size(); ++i) wire::write(delivery.lost[i], lost[i]);
  });
}

Frame empty_frame(FrameKind kind, std::uint64_t number) { return Frame{kind, number, nullptr}; }

}  // namespace earshot::simulation
